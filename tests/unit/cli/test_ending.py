"""A signal ends work in order: cancelled inside a loop, raised outside of one, once."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from paceline.cli.ending import SIGNALS, Ended, end_on_signals, run_until_ended


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("how", SIGNALS)
def test_outside_a_loop_the_first_signal_raises_and_later_ones_are_not_heard(how: signal.Signals) -> None:
    end_on_signals()
    with pytest.raises(Ended) as caught:
        os.kill(os.getpid(), how)
    assert caught.value.exit_code == 128 + how
    for each in SIGNALS:
        os.kill(os.getpid(), each)


@pytest.mark.parametrize("how", SIGNALS)
def test_inside_a_loop_work_is_cancelled_and_unwound_first(how: signal.Signals) -> None:
    unwound: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), how)
        try:
            await asyncio.sleep(60)
        finally:
            unwound.append("unwound")

    end_on_signals()
    with pytest.raises(Ended) as caught:
        run_until_ended(work())
    assert unwound == ["unwound"]
    assert caught.value.exit_code == 128 + how
    os.kill(os.getpid(), how)


def test_work_that_ends_by_itself_gives_its_result_and_the_handlers_back() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    end_on_signals()
    handler = signal.getsignal(signal.SIGTERM)
    assert run_until_ended(work()) == 7
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_cancellation_that_nobody_signalled_stays_one() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_until_ended(work())

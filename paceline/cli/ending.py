"""SIGINT and SIGTERM end the command line in order: inside a loop by cancelling its work, else by raising."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BY_SIGNAL = 128


class Ended(BaseException):
    """We were told to end. No error: nothing that handles errors may swallow it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = _BY_SIGNAL + signum


def end_on_signals() -> None:
    """From now on the first signal raises `Ended` in the main thread; later ones cannot disturb the stop."""

    def ended(signum: int, _frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(signum)

    for each in SIGNALS:
        signal.signal(each, ended)


def run_until_ended(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`; a signal cancels the work, and `Ended` comes out once it is unwound."""
    told: list[int] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def cancel(signum: int) -> None:
            told.append(signum)
            task.cancel()

        for each in SIGNALS:
            loop.add_signal_handler(each, cancel, each)
        try:
            return await task
        finally:
            for each in SIGNALS:
                loop.remove_signal_handler(each)

    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if not told:
            raise
        for each in SIGNALS:
            before[each] = signal.SIG_IGN
        raise Ended(told[0]) from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

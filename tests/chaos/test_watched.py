"""A look that hangs ends, and the log says where it stood."""

import asyncio

import pytest

from chaos.watched import closed, ended, within


async def test_work_in_time_gives_its_answer() -> None:
    assert await within(20, asyncio.sleep(0, result=7)) == 7


async def test_work_that_hangs_ends_and_says_where_it_stood(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="the log says where"):
        await within(0.05, hang())
    assert "hang" in caplog.text
    assert "Event.wait" in caplog.text


async def test_closing_that_hangs_is_told_and_left(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    await closed(0.05, hang)
    assert "not done within 0.05 s" in caplog.text


async def test_what_will_not_be_cancelled_is_not_waited_for() -> None:
    let_go = asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await ended(task)
    assert not task.done()
    let_go.set()
    await task

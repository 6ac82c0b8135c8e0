"""A look that hangs ends, and the log says where it stood."""

import asyncio

import pytest

from chaos.watched import within


async def test_work_in_time_gives_its_answer() -> None:
    assert await within(20, asyncio.sleep(0, result=7)) == 7


async def test_work_that_hangs_ends_and_says_where_it_stood(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match="not looked"):
        await within(0.05, hang())
    assert "hang" in caplog.text
    assert "Event.wait" in caplog.text

"""Settings, and answers that are not kept for ever."""

import asyncio
from base64 import b64encode
from collections.abc import Collection

import pytest

from paceline.domain.errors import Unavailable
from paceline.runtime.settings import SettingsError, load
from services.gateway.__main__ import fingerprint_keys
from services.gateway.settings import Settings
from services.gateway.upkeep import FORGET_EVERY_S, every, forgetting
from tests.fakes.clock import FakeClock

STORES = {"PACELINE_POSTGRES_URL": "postgresql://localhost/p", "PACELINE_REDIS_URL": "redis://localhost"}
KEY, OTHER = b64encode(b"A" * 32).decode(), b64encode(b"B" * 32).decode()


def test_without_a_key_there_is_nothing_to_seal_with() -> None:
    with pytest.raises(SettingsError, match="PACELINE_ENCRYPTION_KEY is required"):
        load(Settings, STORES)


def test_fingerprints_are_made_under_a_key_of_their_own() -> None:
    one = load(Settings, {**STORES, "PACELINE_ENCRYPTION_KEY": KEY})
    rotated = load(Settings, {**STORES, "PACELINE_ENCRYPTION_KEY": f"new:{OTHER},old:{KEY}"})
    (before,) = fingerprint_keys(one)
    newest, older = fingerprint_keys(rotated)
    assert older == before != newest
    assert before != b"A" * 32


class Answers:
    """Requests of which only forgetting is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.away = False

    async def begin(
        self, method: str, request_id: str, fingerprint: bytes, others: Collection[bytes] = ()
    ) -> bytes | None:
        raise NotImplementedError

    async def finish(self, method: str, request_id: str, response: bytes) -> None:
        raise NotImplementedError

    async def abandon(self, method: str, request_id: str) -> None:
        raise NotImplementedError

    async def forget_before(self, age_hours: int) -> int:
        self.asked.append(age_hours)
        if self.away:
            raise Unavailable("the database is away")
        return 3


async def test_old_answers_go_hourly_also_after_an_hour_without_a_database() -> None:
    clock, answers = FakeClock(), Answers()
    task = asyncio.create_task(every(clock, FORGET_EVERY_S, "old requests", forgetting(answers, 24)))
    for away in (True, False, False):
        await clock.settle()
        answers.away = away
        clock.advance(FORGET_EVERY_S)
    await clock.settle()
    assert answers.asked == [24, 24, 24, 24]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

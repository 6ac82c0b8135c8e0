"""Lua scripts sent by their hash, many in one pipeline."""

from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from paceline.adapters.redis.connection import map_errors

Call = tuple[Sequence[str], Sequence[object]]
"""Keys and arguments of one run."""


class Script:
    """One script beside this module; the server learns it the first time, and again after it forgot."""

    def __init__(self, redis: Redis, name: str, constants: str = "") -> None:
        """`constants` are Lua that stands before the script's text."""
        self._redis = redis
        self._text = constants + "\n" + (Path(__file__).parent / name).read_text("utf-8")
        self._sha = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """All in one pass, each at most once. Raises `Unavailable`, after which any of them may have run."""
        with map_errors():
            answers = await self._send(calls)
            unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                await self._redis.script_load(self._text)
                for n, answer in zip(unknown, await self._send([calls[n] for n in unknown]), strict=True):
                    answers[n] = answer
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            return answers

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for keys, arguments in calls:
                pipeline.execute_command("EVALSHA", self._sha, len(keys), *keys, *arguments)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers

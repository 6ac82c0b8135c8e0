"""Questions of one moment, asked in one go: a thousand accounts in trouble are a few round trips."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from paceline.domain.errors import Unavailable

Q = TypeVar("Q")
A = TypeVar("A")


class Grouped(Generic[Q, A]):
    """Who asks while an answer is under way goes with the next question; one is under way at a time.

    `carry_out` answers in order, with an exception for whom it concerns alone. What it raises concerns the
    whole group only if the store is away: otherwise each is asked alone, so that none spoils it for others.
    """

    def __init__(
        self, carry_out: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]], most: int
    ) -> None:
        self._carry_out = carry_out
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        """Until nobody waits; who waits no more is left out."""
        while self._waiting:
            group = [each for each in self._waiting[: self._most] if not each[1].done()]
            del self._waiting[: self._most]
            try:
                answers = await self._answers([question for question, _ in group])
            except BaseException:
                for _, waiting in group:
                    waiting.cancel()
                raise
            for (_, waiting), answer in zip(group, answers, strict=True):
                if waiting.done():
                    continue
                if isinstance(answer, Exception):
                    waiting.set_exception(answer)
                else:
                    waiting.set_result(answer)

    async def _answers(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        if not questions:
            return ()
        try:
            return await self._carry_out(questions)
        except Unavailable as problem:
            return [Unavailable(str(problem)) for _ in questions]
        except Exception as problem:  # noqa: BLE001 - whoever asked is told
            if len(questions) == 1:
                return [problem]
        return [answer for each in questions for answer in await self._answers([each])]

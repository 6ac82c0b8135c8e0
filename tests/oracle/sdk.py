"""The vendor's SDK in a process of its own, spoken to by lines of JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle import environment

if TYPE_CHECKING:
    from collections.abc import Callable

DRIVER = Path(environment.__file__).with_name("sdk_driver.py")
LINE_LIMIT = 4 * 1024 * 1024
PATIENCE_S = 20.0

Json = dict[str, Any]


class Sdk:
    """One account's SDK; what its sockets call back with is kept in order under the event's name."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._seen: dict[str, list[Any]] = {}
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *, http: str, app_id: str, token: str, log_path: Path) -> Sdk:
        python = await asyncio.to_thread(environment.ensure)
        process = await asyncio.create_subprocess_exec(
            *(str(python), str(DRIVER)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=log_path,
            limit=LINE_LIMIT,
        )
        sdk = cls(process)
        sdk._send({"http": http, "app_id": app_id, "token": token, "log_path": str(log_path)})
        await sdk.wait_for("ready")
        return sdk

    async def call(self, name: str, *args: Any) -> Any:
        """What the SDK's user gets; what the SDK raises is raised here as text."""
        number = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._send({"id": number, "call": name, "args": list(args)})
        return await asyncio.wait_for(answer, PATIENCE_S)

    def seen(self, event: str) -> list[Any]:
        return list(self._seen.get(event, ()))

    async def wait_for(self, event: str, matches: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first callback under this name that matches, also if it came before."""

        def found() -> list[Any]:
            return [data for data in self._seen.get(event, ()) if matches(data)]

        await self.wait_until(lambda: bool(found()))
        return found()[0]

    async def wait_for_newest(self, event: str, symbol: str, price: float) -> Json:
        """Until the newest callback about a symbol says this price."""

        def newest() -> Json:
            about = (data for data in reversed(self._seen.get(event, ())) if data.get("symbol") == symbol)
            return next(about, {})

        await self.wait_until(lambda: newest().get("ltp") == price)
        return newest()

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Look again after every callback."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(holds), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"the SDK did not say so; it said {self._seen}") from None

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        await self._reader

    def _send(self, line: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            await self._take(json.loads(line))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(AssertionError("the SDK's process ended"))

    async def _take(self, report: Json) -> None:
        if "event" in report:
            async with self._news:
                self._seen.setdefault(report["event"], []).append(report["data"])
                self._news.notify_all()
            return
        answer = self._answers.pop(report["id"])
        if "error" in report:
            answer.set_exception(RuntimeError(report["error"]))
        else:
            answer.set_result(report["result"])

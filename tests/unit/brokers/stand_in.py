"""A broker that answers byte by byte what a test tells it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Script = Callable[[Reader, Writer], Awaitable[None]]

PLACED = b'{"s":"ok","code":1101,"message":"Order submitted","id":"808058117761"}'


@dataclass
class StandIn:
    """Plays the script on every connection; keeps the requests that arrived whole."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def request(self, reader: Reader) -> bytes:
        """The next whole request; raises `IncompleteReadError` at the end of the connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        whole = head + (await reader.readexactly(length) if length else b"")
        self.requests.append(whole)
        return whole


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextlib.asynccontextmanager
async def standing_in(script: Callable[[StandIn], Script]) -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    play = script(stand_in)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: Reader, writer: Writer) -> None:
        stand_in.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await play(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stand_in.port = server.sockets[0].getsockname()[1]
    try:
        yield stand_in
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes) -> Callable[[StandIn], Script]:
    """Each request gets the next answer, whatever the connection; the last one for ever."""
    left = list(answers)

    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            while True:
                await stand_in.request(reader)
                writer.write(left.pop(0) if len(left) > 1 else left[0])
                await writer.drain()

        return play

    return script

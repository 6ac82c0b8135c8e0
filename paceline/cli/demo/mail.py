"""A mail server on a free port that keeps what it is given: enough of SMTP for whoever sends alerts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy

from paceline.embedded.ports import LOOPBACK

DOMAIN = "paceline.example"
_IDLE_S = 60.0
_LONGEST_LINE = 64 * 1024
_LONGEST_MAIL = 4 * 1024 * 1024
_END = b".\r\n"
_DONE = b"250 OK\r\n"


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str


class Mailbox:
    """`heard` is told of every mail."""

    def __init__(self, heard: Callable[[Mail], object]) -> None:
        self._heard = heard
        self._connections: set[asyncio.Task[object]] = set()
        self.port = 0
        self.mails: list[Mail] = []

    def url(self, name: str) -> str:
        """Where alerts for somebody go, in Apprise's notation."""
        query = f"from=alerts@{DOMAIN}&to={self.address(name)}&mode=insecure"
        return f"mailto://{LOOPBACK}:{self.port}?{query}"

    def address(self, name: str) -> str:
        return f"{name.lower()}@{DOMAIN}"

    def counted(self, subject: str) -> Counter[str]:
        """How many with such a subject each address was sent."""
        return Counter(each.to for each in self.mails if each.subject.startswith(subject))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Mailbox"]:
        server = await asyncio.start_server(self._serve, LOOPBACK, 0, limit=_LONGEST_LINE)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            connections = list(self._connections)
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # whoever breaks off says it again on another connection
        except asyncio.CancelledError:
            pass  # the box is closed; the stream's own callback wants no cancelled task
        finally:
            if task is not None:
                self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 paceline demo\r\n")
        to: list[str] = []
        while line := await _line(reader):
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self._take(to, await _body(reader))
                to = []
            elif verb == b"RCPT":
                to.append(line.partition(b"<")[2].partition(b">")[0].decode(errors="replace"))
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            known = verb in {b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP"}
            writer.write(_DONE if known else b"502 not known\r\n")
            await writer.drain()

    def _take(self, to: list[str], body: bytes) -> None:
        subject = str(message_from_bytes(body, policy=policy.default)["Subject"])
        for each in to:
            mail = Mail(each, subject)
            self.mails.append(mail)
            self._heard(mail)


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(_IDLE_S):
        return await reader.readline()


async def _body(reader: asyncio.StreamReader) -> bytes:
    lines: list[bytes] = []
    size = 0
    while (line := await _line(reader)) != _END:
        size += len(line)
        if not line or size > _LONGEST_MAIL:
            raise ValueError("a mail without an end")
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(lines)

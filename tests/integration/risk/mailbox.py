"""A mail server on a port of its own that keeps what it is given, and can refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass
class Mailbox:
    port: int = 0
    refusing: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        query = "from=alerts@paceline.example&to=person@follower.example&mode=insecure"
        return f"mailto://127.0.0.1:{self.port}?{query}"

    @property
    def subjects(self) -> list[str]:
        return [str(each["Subject"]) for each in self.mails]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        if self.refusing:
            self.refused += 1
            return "451 come back later"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@asynccontextmanager
async def a_mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, enable_SMTPUTF8=True), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()

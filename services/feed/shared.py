"""What the sessions of a process use together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from paceline.domain.account import Broker
from paceline.domain.ids import AccountId
from paceline.ports import broker as brokers
from paceline.ports.logins import LoginBook
from paceline.runtime.budget import Budget
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.log import RepeatGate
from paceline.runtime.relogin import Relogin
from paceline.runtime.retry import Backoff
from services.feed.notebook import Desk
from services.feed.tidings import Tidings


@dataclass(frozen=True, slots=True)
class Door:
    """How one broker is spoken to."""

    broker: brokers.Broker
    streams: brokers.OrderStreams
    logins: brokers.Logins


@dataclass(frozen=True, slots=True)
class Shared:
    """What all sessions of a process use."""

    desk: Desk
    doors: Mapping[Broker, Door]
    credentials: CredentialStore
    budget: Budget
    random: Random
    dials: asyncio.Semaphore
    """How many sessions connect and recover at once: a storm is spread."""
    gate: RepeatGate
    relogin: Relogin
    book: LoginBook
    announce: Callable[[AccountId], Awaitable[None]]
    """Where a person logs in, written down for whoever asks."""
    tidings: Tidings
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.25, longest_s=30.0))
    trades_settle_s: float = 1.0
    """How long a trade frame may be behind its order frame before the trade book is asked."""
    backstop_s: float = 60.0
    """A lost frame is found in the books within it."""

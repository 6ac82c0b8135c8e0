"""Frames nobody can use: counted at once, kept raw in batches, and nobody waits for it."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence

import structlog

from paceline.domain.account import Account, Broker
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Malformed, MalformedKind
from paceline.ports.clock import Clock
from paceline.ports.journal import DeadLetter, Journal
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import DEAD_LETTERS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_WAITING_MAX = 10_000
_WAITING_BYTES_MAX = 32 * 1024 * 1024
_OF_ONE_MAX = 50
_RAW_MAX = 16_384
"""A longer frame is kept so far: what is wrong with it is said in words."""
_BATCH_MAX = 500
_AGAIN_S = 1.0
_JWT = re.compile(rb"eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?")
_VALUE = re.compile(
    rb"""(?ix) ( (?<![a-z_]) (?: (?:access|refresh|auth)[_-]?(?:token|code) | token | authorization | cookie
    | (?:app[_-]?)?secret | password | passwd | pin | t?otp | hsm[_-]?key | api[_-]?key )
    ["']? \s* [:=] \s* (?:bearer\s+|basic\s+)? ) (?: "[^"]*"? | '[^']*'? | [^\s,;&}"']+ )"""
)


class LetterBox:
    """Bounded: when the store is away for long, what comes last is only counted."""

    def __init__(self, journal: Journal, clock: Clock, metrics: Metrics) -> None:
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._gate = RepeatGate(clock)
        self._waiting: deque[DeadLetter] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def put(self, account: Account, source: str, malformed: Sequence[Malformed]) -> None:
        """Of one frame or book: the first are kept, all are counted."""
        for each in malformed[:_OF_ONE_MAX]:
            self.drop_in(account.account_id, account.broker, source, each.kind, each.reason, each.raw)
        for each in malformed[_OF_ONE_MAX:]:
            self._metrics.counter(DEAD_LETTERS).labels(each.kind.value).inc()

    def drop_in(
        self,
        account_id: AccountId,
        broker: Broker,
        source: str,
        kind: MalformedKind,
        reason: str,
        raw: bytes,
    ) -> None:
        self._metrics.counter(DEAD_LETTERS).labels(kind.value).inc()
        if self._gate.held_back((account_id, kind)) is not None:
            _log.warning("session.dead_letter", account=account_id, source=source, reason=reason)
        if len(self._waiting) >= _WAITING_MAX or self._bytes >= _WAITING_BYTES_MAX:
            if self._gate.held_back("full") is not None:
                _log.error("letters.not_kept", waiting=len(self._waiting))
            return
        kept, words = without_secrets(raw[:_RAW_MAX]), _storable(reason)
        self._bytes += len(kept)
        now_ns = self._clock.now_ns()
        self._waiting.append(DeadLetter(broker, account_id, source, kind, words, kept, now_ns))
        self._filled.set()

    async def run(self) -> None:
        """Until cancelled; a store that is away is waited for."""
        while True:
            await self._filled.wait()
            try:
                await self.flush()
            except Unavailable as problem:
                _log.warning("letters.unreachable", problem=str(problem), waiting=len(self._waiting))
                await self._clock.sleep(_AGAIN_S)

    async def flush(self) -> None:
        """Write what waits; what could not be written waits on."""
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(len(self._waiting), _BATCH_MAX))]
            await self._journal.dead_letter(batch)
            for _ in batch:
                self._bytes -= len(self._waiting.popleft().raw)
        self._filled.clear()


def without_secrets(raw: bytes) -> bytes:
    """As it came, but for what looks like a key to the account; `fy_token` names an instrument and stays."""
    return _VALUE.sub(rb"\1***", _JWT.sub(b"***", raw))


def _storable(words: str) -> str:
    """A text column takes neither NUL nor half a character."""
    plain = words.replace("\x00", "\ufffd").encode(errors="replace")
    return without_secrets(plain).decode(errors="replace")

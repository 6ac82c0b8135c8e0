"""What changes state: once for each request id, with its audit, by whoever says he is."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from paceline.domain.errors import AlreadyExists, Conflict
from paceline.ports.audit import Audit, AuditEntry
from paceline.ports.changes import Change, Changes
from paceline.ports.requests import Requests
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus
from paceline.runtime.sound import TEXT_MAX, require_sound

A = TypeVar("A", bound=Message)

ACTOR_KEY = "x-paceline-actor"
ANONYMOUS = "anonymous"
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, for the audit; never with a secret."""

    action: str
    subject_kind: str
    subject: str
    cause: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done(Generic[A]):
    answer: A
    deed: Deed


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    request_id: str
    fingerprints: tuple[bytes, ...]
    """Under each key of the ring: whoever asked before the newest came asked the same."""
    actor: str

    def entry(self, deed: Deed) -> AuditEntry:
        details = {**deed.details, "request_id": self.request_id} if self.request_id else deed.details
        return AuditEntry(
            self.actor, deed.action, deed.subject_kind, deed.subject, cause=deed.cause, details=details
        )


@contextmanager
def taken_as(what: str, name: str) -> Iterator[None]:
    """A name that is taken already is told as people know it, not as the table does."""
    try:
        yield
    except AlreadyExists:
        raise AlreadyExists(what, name) from None


class Once:
    """Without a request id a request is simply carried out.

    `keys` keep fingerprints, which are stored, from telling anything of the secrets in a request. The first
    is used; the others are those of before, known for as long as they stay in the ring.
    """

    def __init__(self, changes: Changes, requests: Requests, audit: Audit, keys: Sequence[bytes]) -> None:
        self._changes = changes
        self._requests = requests
        self._audit = audit
        self._keys = keys

    async def change(
        self, request: Message, context: Any, kind: type[A], work: Callable[[Change], Awaitable[Done[A]]]
    ) -> A:
        """The change, its audit and its answer become true together, or none of them."""
        asked = self._asked(request, context)
        async with self._changes.begin() as change:
            before = await _answered(change.requests, asked)
            if before is not None:
                return kind.FromString(before)
            done = await work(change)
            await change.audit.write([asked.entry(done.deed)])
            if asked.request_id:
                answer = done.answer.SerializeToString()
                await change.requests.finish(asked.method, asked.request_id, answer)
        return done.answer

    async def forward(
        self, request: Message, context: Any, kind: type[A], work: Callable[[], Awaitable[Done[A]]]
    ) -> A:
        """For what another service does: nothing is held meanwhile, and after a crash it is done again."""
        asked = self._asked(request, context)
        before = await _answered(self._requests, asked)
        if before is not None:
            return kind.FromString(before)
        try:
            done = await work()
            await self._audit.write([asked.entry(done.deed)])
        except Exception:
            if asked.request_id:
                await self._requests.abandon(asked.method, asked.request_id)
            raise
        if asked.request_id:
            answer = done.answer.SerializeToString()
            await self._requests.finish(asked.method, asked.request_id, answer)
        return done.answer

    def _asked(self, request: Message, context: Any) -> _Asked:
        require_sound(request)
        method = type(request).__name__.removesuffix("Request")
        request_id = str(getattr(request, "request_id"))  # noqa: B009 - every request here has one
        return _Asked(method, request_id, self._fingerprints(request), _actor(context))

    def _fingerprints(self, request: Message) -> tuple[bytes, ...]:
        content = request.SerializeToString(deterministic=True)
        return tuple(blake2b(content, digest_size=_DIGEST_BYTES, key=key).digest() for key in self._keys)


async def _answered(requests: Requests, asked: _Asked) -> bytes | None:
    if not asked.request_id:
        return None
    try:
        newest, *others = asked.fingerprints
        return await requests.begin(asked.method, asked.request_id, newest, others)
    except Conflict as reused:
        raise RpcRefusedError(
            RpcStatus(grpc.StatusCode.ALREADY_EXISTS, str(reused), "REQUEST_ID_REUSED")
        ) from None


def _actor(context: Any) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == ACTOR_KEY and isinstance(value, str) and value.strip():
            return value.strip()[:TEXT_MAX]
    return ANONYMOUS

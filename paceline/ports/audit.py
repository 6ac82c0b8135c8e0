"""Who did what to whom, and why; append-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AuditEntry:
    actor: str
    action: str
    subject_kind: str
    subject: str
    cause: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """JSON values; never a secret."""
    audit_id: int = 0
    """0 until it is written, like `at`."""
    at: datetime | None = None


class Audit(Protocol):
    async def write(self, entries: Sequence[AuditEntry]) -> None: ...

    async def page(
        self, *, subject_kind: str = "", subject: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        """Newest first, of everything or of one subject; `before` is the last id of the page before."""
        ...

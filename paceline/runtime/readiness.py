"""Whether this process takes work, and what it waits for when it does not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Readiness:
    """Ready is who waits for nothing; every reason to wait has a name that probes and logs show."""

    def __init__(self, *waiting_for: str) -> None:
        self._waiting_for = dict.fromkeys(waiting_for)
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def ready(self) -> bool:
        return not self._waiting_for

    def waiting_for(self) -> tuple[str, ...]:
        return tuple(self._waiting_for)

    def waiting(self, reason: str) -> bool:
        return reason in self._waiting_for

    def block(self, reason: str) -> None:
        """Not ready until `unblock` with the same reason."""
        self._change(lambda: self._waiting_for.setdefault(reason))

    def unblock(self, reason: str) -> None:
        self._change(lambda: self._waiting_for.pop(reason, None))

    @contextmanager
    def blocked(self, reason: str) -> Iterator[None]:
        """Not ready while the block runs."""
        self.block(reason)
        try:
            yield
        finally:
            self.unblock(reason)

    def subscribe(self, listener: Callable[[bool], None]) -> None:
        """Tell the listener how it stands now and whenever that changes."""
        self._listeners.append(listener)
        listener(self.ready)

    def _change(self, change: Callable[[], None]) -> None:
        before = self.ready
        change()
        if self.ready != before:
            for listener in self._listeners:
                listener(self.ready)

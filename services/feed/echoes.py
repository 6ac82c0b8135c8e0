"""What a process writes into rows that it listens to comes back to it as a notice."""

from collections import Counter
from collections.abc import Iterable

from paceline.domain.ids import AccountId


class Echoes:
    """Tells a process's own writes from those of others: of each written row comes one notice.

    Where somebody else wrote too, there is one notice more than was expected; the last of them is taken for
    news, when both writes can be read.
    """

    def __init__(self) -> None:
        self._expected: Counter[AccountId] = Counter()

    def expect(self, written: Iterable[AccountId]) -> None:
        """Before the write: its notice may be faster than its answer."""
        self._expected.update(written)

    def is_own(self, name: AccountId) -> bool:
        """Whether this notice is of a write of ours."""
        if name not in self._expected:
            return False
        self._take(name)
        return True

    def not_written(self, names: Iterable[AccountId]) -> frozenset[AccountId]:
        """Of these no notice comes; answers those of which another's was taken for ours."""
        missed = set()
        for name in names:
            if name in self._expected:
                self._take(name)
            else:
                missed.add(name)
        return frozenset(missed)

    def forget(self) -> None:
        """Notices may have gone unheard: none is waited for."""
        self._expected.clear()

    def _take(self, name: AccountId) -> None:
        self._expected[name] -= 1
        if not self._expected[name]:
            del self._expected[name]

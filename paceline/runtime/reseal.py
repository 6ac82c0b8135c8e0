"""Brings all that is sealed under the newest key, beside running services; and tells which keys are used."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.ports.clock import Clock
from paceline.ports.seal import Keyring, Sealed
from paceline.ports.sealed import Holder, Resealed, SealedRow, SealedRows
from paceline.ports.sessions import SessionId
from paceline.runtime.account_secrets import account_context
from paceline.runtime.alert_targets import target_context
from paceline.runtime.credentials import app_context, token_context

PASSES_MAX = 10
_AGAIN_S = 0.25


@dataclass(frozen=True, slots=True)
class Broken:
    """A value that no key here opens."""

    holder: Holder
    name: str
    part: str
    why: str

    def __str__(self) -> str:
        what = f"{self.holder} {self.name}" + (f" ({self.part})" if self.part else "")
        return f"{what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Rotation:
    resealed: Mapping[Holder, int]
    """Values, by whose they are."""
    broken: tuple[Broken, ...]
    settled: bool
    """A whole pass found nothing under an older key; otherwise somebody still seals with one."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many values each key seals, those missing from the keyring included."""

    uses: Mapping[tuple[str, Holder], int]
    broken: tuple[Broken, ...]


async def rotate(store: SealedRows, keyring: Keyring, clock: Clock, *, batch_rows: int) -> Rotation:
    """Ends when a whole pass finds nothing to do, or after `PASSES_MAX`. Repeating it does no harm: what is
    done already is passed over.
    """
    total: Counter[Holder] = Counter()
    for number in range(PASSES_MAX):
        if number:
            await clock.sleep(_AGAIN_S)
        one = _Pass(store, keyring, batch_rows)
        await one.run()
        total += one.resealed
        if not one.found:
            return Rotation(total, tuple(one.broken), settled=True)
    return Rotation(total, tuple(one.broken), settled=False)


async def census(store: SealedRows, keyring: Keyring, *, batch_rows: int) -> Census:
    """Opens every value once; writes nothing."""
    uses: Counter[tuple[str, Holder]] = Counter()
    broken: list[Broken] = []
    async for rows in _pages(store, batch_rows):
        for row in rows:
            for part, sealed in row.parts.items():
                try:
                    uses[keyring.key_of(sealed), row.holder] += 1
                    keyring.unseal(sealed, _context(row, part))
                except Invalid as error:
                    broken.append(_broken(row, part, error))
    return Census(uses, tuple(broken))


class _Pass:
    """Once through everything; what somebody else wrote meanwhile is left to the next."""

    def __init__(self, store: SealedRows, keyring: Keyring, batch_rows: int) -> None:
        self._store = store
        self._keyring = keyring
        self._batch_rows = batch_rows
        self.resealed: Counter[Holder] = Counter()
        self.broken: list[Broken] = []
        self.found = 0

    async def run(self) -> None:
        async for rows in _pages(self._store, self._batch_rows):
            changes = [Resealed(row, parts) for row in rows if (parts := self._renewed(row)) != row.parts]
            if not changes:
                continue
            self.found += len(changes)
            holder = rows[0].holder
            written = await self._store.replace(holder, changes)
            done = (each for each in changes if each.row.name in written)
            self.resealed[holder] += sum(_differing(each) for each in done)

    def _renewed(self, row: SealedRow) -> dict[str, Sealed]:
        """Every part under the newest key; one that does not open stays as it is."""
        parts = dict(row.parts)
        for part, sealed in row.parts.items():
            context = _context(row, part)
            try:
                if self._keyring.stale(sealed):
                    parts[part] = self._keyring.seal(self._keyring.unseal(sealed, context), context)
            except Invalid as error:
                self.broken.append(_broken(row, part, error))
        return parts


async def _pages(store: SealedRows, limit: int) -> AsyncIterator[list[SealedRow]]:
    for holder in Holder:
        after = ""
        while rows := list(await store.page(holder, after=after, limit=limit)):
            yield rows
            after = rows[-1].name


def _context(row: SealedRow, part: str) -> str:
    match row.holder:
        case Holder.ACCOUNT:
            return account_context(AccountId(row.name))
        case Holder.APP:
            return app_context(BrokerAppId(row.name))
        case Holder.SESSION:
            return token_context(SessionId(row.name), part)
        case Holder.TARGET:
            return target_context(row.name)


def _differing(change: Resealed) -> int:
    return sum(change.row.parts[part] != sealed for part, sealed in change.parts.items())


def _broken(row: SealedRow, part: str, error: Invalid) -> Broken:
    return Broken(row.holder, row.name, part, str(error))

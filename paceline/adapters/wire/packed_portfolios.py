"""The packed value of one partition's portfolios, as it stands in Redis and goes over `portfolio_updates`.

Little-endian, one value a partition and pass:

    offset  type          what
    0       4 bytes       b"PLPF"
    4       u8            version of this layout: 1
    5       u8            digits: amounts are whole numbers of 10^-digits
    6       u16           partition
    8       u32           n, the number of accounts
    12      u32           length of the names
    16      i64           when it was reckoned, UTC nanoseconds

Then columns of n values each, in this order:

    i64     cash, realised, unrealised, collateral, used margin
    u8      flags: 1 the broker's funds were never read (the amounts mean nothing), 2 stale
    u8      account type: 1 live, 2 demo, 3 strategy provider, 4 copy follower
    8 bytes currency, ASCII, padded with zeros
    u16     length of the account's id

Then the ids, UTF-8, one after the other. Equity is cash + realised + unrealised + collateral. A reader
refuses a version it does not know; a new column is a new version.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from paceline.domain.account import AccountType
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, Partition
from paceline.domain.risk import margin_level
from paceline.ports.portfolios import Portfolio

VERSION = 1
NOT_KNOWN = 1
STALE = 2
LEVEL_QUANTUM = Decimal("0.0001")

_MAGIC = b"PLPF"
_HEADER = struct.Struct("<4sBBHIIq")
_TYPES = (
    AccountType.LIVE,
    AccountType.DEMO,
    AccountType.STRATEGY_PROVIDER,
    AccountType.COPY_FOLLOWER,
)
_CODES = {type_: code for code, type_ in enumerate(_TYPES, start=1)}
_AMOUNT, _BYTE, _CURRENCY, _LENGTH = np.dtype("<i8"), np.dtype("u1"), np.dtype("S8"), np.dtype("<u2")


@dataclass(frozen=True, slots=True)
class Names:
    """What stays the same from pass to pass: made once, packed many times."""

    count: int
    columns: bytes
    ids: bytes


@dataclass(frozen=True, slots=True)
class Amounts:
    """Columns of whole numbers, each as long as there are names."""

    cash: npt.NDArray[np.int64]
    realised: npt.NDArray[np.int64]
    unrealised: npt.NDArray[np.int64]
    collateral: npt.NDArray[np.int64]
    used_margin: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]

    def part(self, start: int, end: int) -> "Amounts":
        return Amounts(
            self.cash[start:end],
            self.realised[start:end],
            self.unrealised[start:end],
            self.collateral[start:end],
            self.used_margin[start:end],
            self.flags[start:end],
        )


@dataclass(frozen=True, slots=True)
class Packed:
    """One value, read. Portfolios whose funds were never read are left out of `known`."""

    partition: Partition
    computed_ns: int
    account_ids: tuple[AccountId, ...]
    known: tuple[Portfolio, ...]


def names_of(accounts: Sequence[tuple[AccountId, AccountType, str]]) -> Names:
    """Of accounts with their types and currencies, in the order of the columns."""
    ids = [account_id.encode() for account_id, _, _ in accounts]
    codes = bytes(_CODES[type_] for _, type_, _ in accounts)
    currencies = np.array([currency.encode() for _, _, currency in accounts], _CURRENCY).tobytes()
    lengths = np.array([len(each) for each in ids], _LENGTH).tobytes()
    return Names(len(ids), codes + currencies + lengths, b"".join(ids))


def pack(partition: Partition, digits: int, computed_ns: int, names: Names, amounts: Amounts) -> bytes:
    header = _HEADER.pack(_MAGIC, VERSION, digits, partition, names.count, len(names.ids), computed_ns)
    numbers = (amounts.cash, amounts.realised, amounts.unrealised, amounts.collateral, amounts.used_margin)
    columns = [column.astype(_AMOUNT, copy=False).tobytes() for column in numbers]
    return b"".join((header, *columns, amounts.flags.tobytes(), names.columns, names.ids))


def unpack(value: bytes) -> Packed:
    """Refuses what is cut short, padded, or of another version."""
    magic, version, digits, partition, count, ids_length, computed_ns = _header(value)
    if magic != _MAGIC or version != VERSION:
        raise Invalid("packed", f"is no packed portfolios of version {VERSION}")
    if len(value) != _HEADER.size + count * _width() + ids_length:
        raise Invalid("packed", "is not as long as it says")
    columns = _columns(value, count)
    amounts = [next(columns) for _ in range(5)]
    flags, types, currencies, lengths = columns
    ids = tuple(_ids(value[len(value) - ids_length :], lengths))
    known = tuple(
        _portfolio(ids[n], types[n], currencies[n], [_decimal(each[n], digits) for each in amounts],
                   computed_ns, stale=bool(flags[n] & STALE))
        for n in range(count)
        if not flags[n] & NOT_KNOWN
    )  # fmt: skip
    return Packed(Partition(partition), computed_ns, ids, known)


def _header(value: bytes) -> tuple[Any, ...]:
    if len(value) < _HEADER.size:
        raise Invalid("packed", "is too short")
    return _HEADER.unpack_from(value)


def _width() -> int:
    return sum(each.itemsize for each in _kinds())


def _kinds() -> tuple["np.dtype[Any]", ...]:
    return (_AMOUNT,) * 5 + (_BYTE, _BYTE, _CURRENCY, _LENGTH)


def _columns(value: bytes, count: int) -> Iterator[list[Any]]:
    offset = _HEADER.size
    for kind in _kinds():
        column = np.frombuffer(value, kind, count, offset)
        offset += column.nbytes
        yield column.tolist()


def _ids(text: bytes, lengths: Sequence[int]) -> Iterator[AccountId]:
    start = 0
    for length in lengths:
        yield AccountId(text[start : start + length].decode())
        start += length


def _decimal(units: int, digits: int) -> Decimal:
    return Decimal(units).scaleb(-digits)


def _portfolio(
    account_id: AccountId,
    type_code: int,
    currency: bytes,
    amounts: Sequence[Decimal],
    computed_ns: int,
    *,
    stale: bool,
) -> Portfolio:
    cash, realised, unrealised, collateral, used_margin = amounts
    equity = cash + realised + unrealised + collateral
    level = margin_level(equity, used_margin)
    return Portfolio(
        account_id=account_id,
        type=_TYPES[type_code - 1],
        cash=cash,
        realised=realised,
        unrealised=unrealised,
        equity=equity,
        used_margin=used_margin,
        margin_level=level.quantize(LEVEL_QUANTUM) if level.is_finite() else None,
        currency=currency.decode(),
        computed_ns=computed_ns,
        stale=stale,
    )

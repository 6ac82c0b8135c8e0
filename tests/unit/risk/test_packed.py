"""What is packed is read back as it was; what is no packed value is refused."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.wire.packed_portfolios import NOT_KNOWN, STALE, Amounts, names_of, pack, unpack
from paceline.domain.account import AccountType
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, Partition
from tests.unit.risk.given import NOW

amounts = st.integers(-(10**17), 10**17)
rows = st.tuples(
    st.text(min_size=1, max_size=30),
    st.sampled_from(AccountType),
    st.sampled_from(["INR", "USDT"]),
    st.lists(amounts, min_size=5, max_size=5),
    st.sampled_from([0, STALE, NOT_KNOWN | STALE]),
)


def packed(given_rows: list[tuple[str, AccountType, str, list[int], int]]) -> bytes:
    names = names_of([(AccountId(name), type_, currency) for name, type_, currency, _, _ in given_rows])
    columns = np.array([numbers for *_, numbers, _ in given_rows], np.int64).reshape(-1, 5).T
    cash, realised, unrealised, collateral, used = columns
    flags = np.array([flag for *_, flag in given_rows], np.uint8)
    return pack(Partition(200), 4, NOW, names, Amounts(cash, realised, unrealised, collateral, used, flags))


@given(st.lists(rows, max_size=8))
def test_there_and_back(given_rows: list[tuple[str, AccountType, str, list[int], int]]) -> None:
    read = unpack(packed(given_rows))
    assert (read.partition, read.computed_ns) == (200, NOW)
    assert read.account_ids == tuple(name for name, *_ in given_rows)
    known = [row for row in given_rows if not row[4] & NOT_KNOWN]
    assert len(read.known) == len(known)
    for portfolio, (name, type_, currency, numbers, flag) in zip(read.known, known, strict=True):
        cash, realised, unrealised, collateral, used = (Decimal(each).scaleb(-4) for each in numbers)
        assert (portfolio.account_id, portfolio.type, portfolio.currency) == (name, type_, currency)
        assert (portfolio.cash, portfolio.realised, portfolio.unrealised) == (cash, realised, unrealised)
        assert portfolio.equity == cash + realised + unrealised + collateral
        assert portfolio.used_margin == used
        assert (portfolio.margin_level is None) == (used <= 0)
        assert portfolio.stale == bool(flag & STALE)


def test_the_layout_is_as_documented() -> None:
    value = packed([("fyers:Ä", AccountType.STRATEGY_PROVIDER, "INR", [1, 2, 3, 4, 5], STALE)])
    header = b"PLPF" + bytes([1, 4]) + (200).to_bytes(2, "little") + (1).to_bytes(4, "little")
    header += (8).to_bytes(4, "little") + NOW.to_bytes(8, "little")
    numbers = b"".join(number.to_bytes(8, "little") for number in (1, 2, 3, 4, 5))
    assert value == header + numbers + bytes([2, 3]) + b"INR\0\0\0\0\0" + bytes([8, 0]) + "fyers:Ä".encode()


@pytest.mark.parametrize("broken", [b"", b"PLPF", b"NOPE" + bytes(20), b"PLPF\x02" + bytes(19)])
def test_what_is_no_packed_value_is_refused(broken: bytes) -> None:
    with pytest.raises(Invalid):
        unpack(broken)


def test_a_value_that_was_cut_or_padded_is_refused() -> None:
    value = packed([("fyers:F1", AccountType.LIVE, "INR", [1, 2, 3, 4, 5], 0)])
    for broken in (value[:-1], value + b"\0"):
        with pytest.raises(Invalid, match="not as long"):
            unpack(broken)

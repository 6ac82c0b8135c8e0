"""Everyone's money and positions by name, over the columns that are reckoned with. Synchronous throughout."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import structlog

from paceline.domain.account import Account
from paceline.domain.day_end import DELIVERED, net_of
from paceline.domain.ids import AccountId, InstrumentId, Partition
from paceline.domain.instrument import Exchange, InstrumentKey, Segment
from paceline.domain.money import ONE, ZERO
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.position import Funds, PositionReport
from paceline.domain.risk import RiskState
from services.risk.assess import Ages, Assessment, assess, touched
from services.risk.columns import AccountTable, CellTable, InstrumentTable, Ints
from services.risk.fold import FLAT, Position, fold
from services.risk.scale import UnrepresentableError, bounded, units_of, whole

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000


class Money(NamedTuple):
    """One reading of the funds, in units."""

    cash: int
    realised: int
    collateral: int
    used_margin: int


@dataclass(slots=True)
class Seat:
    """An account in the loop: its row, and the cell of each of its positions."""

    account: Account
    row: int
    partition: Partition
    currency: str = "INR"
    asked_ns: int = 0
    answered_ns: int = 0
    fills: int = 0
    """Counted since it came, to see whether one crossed a reading of the funds."""
    cost: int = 0
    """Of all that it held when its funds were read, whichever side: what their margin is for."""
    before: Money | None = None
    """The reading of the funds before the newest."""
    state: RiskState = RiskState.CALM
    cells: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Names:
    """Keys and instruments as indices, given once and kept."""

    keys: list[InstrumentKey] = field(default_factory=list)
    key_numbers: dict[InstrumentKey, int] = field(default_factory=dict)
    instruments: dict[InstrumentId, int] = field(default_factory=dict)
    markets: dict[InstrumentId, tuple[Exchange, Segment]] = field(default_factory=dict)

    def key(self, key: InstrumentKey) -> int:
        number = self.key_numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number


class Board:
    """Who is on it is a matter of leases; what is on it of the journal, the prices and the broker's funds."""

    def __init__(self, ages: Ages, on_demand: Callable[[], None] = lambda: None) -> None:
        self.accounts = AccountTable()
        self.cells = CellTable()
        self.instruments = InstrumentTable()
        self.names = Names()
        self.seats: dict[AccountId, Seat] = {}
        self.by_row: dict[int, Seat] = {}
        self.by_partition: dict[Partition, dict[AccountId, Seat]] = {}
        self.turns = 0
        self.assessed_ns = 0
        self.members = 0
        """Moves whenever somebody comes, leaves or turns out to count in another currency."""
        self._ages = ages
        self._on_demand = on_demand

    # -- who is on it

    def admit(self, account: Account) -> Seat:
        """A new one is flat and without funds; of one that is here only the particulars change."""
        seat = self.seats.get(account.account_id)
        if seat is not None:
            seat.account = account
            return seat
        self.members += 1
        seat = Seat(account, self.accounts.take(), partition_of(account.account_id))
        self.accounts.touched[seat.row] = True
        self.seats[account.account_id] = seat
        self.by_row[seat.row] = seat
        self.by_partition.setdefault(seat.partition, {})[account.account_id] = seat
        return seat

    def remove(self, account_id: AccountId) -> None:
        seat = self.seats.pop(account_id, None)
        if seat is None:
            return
        self.members += 1
        mine = self.by_partition[seat.partition]
        del mine[account_id]
        if not mine:
            del self.by_partition[seat.partition]
        for key in list(seat.cells):
            self._close(seat, key)
        del self.by_row[seat.row]
        self.accounts.give(seat.row)

    def drop(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            for account_id in list(self.by_partition.get(partition, ())):
                self.remove(account_id)

    # -- what happens to them

    def know(self, instrument_id: InstrumentId, multiplier: Decimal | None) -> None:
        """Must be told before a position in it is; None where no master knows it: then it counts once, and
        nobody who holds it is judged. One that is counted in parts is never priced.
        """
        place = self.names.instruments.get(instrument_id)
        if place is None:
            place = self.names.instruments[instrument_id] = self.instruments.take()
        self.instruments.unlisted[place] = multiplier is None
        multiplier = ONE if multiplier is None else multiplier
        try:
            self.instruments.multiplier[place] = whole(multiplier)
            if self.instruments.weight[place]:
                self.instruments.weight[place] = self.instruments.multiplier[place]
        except UnrepresentableError as problem:
            _log.error("risk.uncountable", instrument=instrument_id, problem=str(problem))

    def unknown(self, instruments: Iterable[InstrumentId]) -> frozenset[InstrumentId]:
        return frozenset(each for each in instruments if each not in self.names.instruments)

    def unlisted(self) -> frozenset[InstrumentId]:
        """Those that are held and that no master knew when it was asked."""
        unlisted, held = self.instruments.unlisted, self.instruments.cells
        places = self.names.instruments.items()
        return frozenset(each for each, place in places if unlisted[place] and held[place])

    def listed(self, instrument_id: InstrumentId, exchange: Exchange, segment: Segment) -> None:
        """Remember where it is traded."""
        self.names.markets.setdefault(instrument_id, (exchange, segment))

    def fold(self, body: Fill | PositionReport) -> bool:
        """One fact, once. Whether the funds must be asked again, because none can say if they hold it."""
        seat = self.seats[body.account_id]
        self.listed(body.key.instrument_id, body.exchange, body.segment)
        try:
            moved = fold(self.position(seat, body.key), body)
            self.set_position(seat, body.key, moved.position)
            return self._gain(seat, body, moved.gained) if isinstance(body, Fill) else False
        except UnrepresentableError as problem:
            self.break_off(seat, problem)
            return False

    def break_off(self, seat: Seat, problem: Exception) -> None:
        """What it holds is no longer known; it stays, marked."""
        if not self.accounts.broken[seat.row]:
            _log.error("risk.uncountable", account=seat.account.account_id, problem=str(problem))
        self.accounts.broken[seat.row] = True
        self.accounts.touched[seat.row] = True

    def doubt(self, seat: Seat, at_ns: int) -> None:
        """Its broker contradicts what its fills came to: it is judged again by funds asked for after this."""
        self.accounts.doubt_ns[seat.row] = at_ns
        self.accounts.touched[seat.row] = True

    def position(self, seat: Seat, key: InstrumentKey) -> Position:
        cell = seat.cells.get(self.names.key(key))
        if cell is None:
            return FLAT
        return Position(int(self.cells.quantity[cell]), int(self.cells.cost[cell]))

    def set_position(self, seat: Seat, key: InstrumentKey, position: Position) -> None:
        """Raises `UnrepresentableError` and changes nothing when it is beyond what can be added up."""
        number = self.names.key(key)
        place = self.names.instruments[key.instrument_id]
        self._bear(place, max(abs(position.quantity), int(self.instruments.largest[place])))
        self.accounts.touched[seat.row] = True
        if not position.quantity:
            self._close(seat, number)
            return
        cell = seat.cells.get(number)
        if cell is None:
            cell = self._open(seat, number, place)
        self.cells.quantity[cell] = position.quantity
        self.cells.cost[cell] = bounded(position.cost)

    def set_funds(self, funds: Funds, asked_ns: int, answered_ns: int) -> None:
        """What was gained by fills until then is part of it. What cannot be money is not taken
        (`UnrepresentableError`): what was read before counts until it is too old.
        """
        seat, accounts = self.seats[funds.account_id], self.accounts
        row = seat.row
        numbers = (funds.cash, funds.realised, funds.collateral, funds.used_margin)
        cash, realised, collateral, used_margin = map(units_of, numbers)
        if used_margin < 0:
            raise UnrepresentableError(f"{funds.used_margin} is no margin")
        if accounts.funds_ns[row]:
            seat.before = Money(
                int(accounts.cash[row]),
                int(accounts.realised[row]) + int(accounts.gained[row]),
                int(accounts.collateral[row]),
                int(accounts.used_margin[row]),
            )
            accounts.before_realised[row], accounts.twice[row] = seat.before.realised, True
        accounts.cash[row], accounts.realised[row] = cash, realised
        accounts.collateral[row], accounts.used_margin[row] = collateral, used_margin
        accounts.gained[row] = 0
        seat.cost = self._cost(seat)
        accounts.funds_ns[row] = asked_ns
        accounts.touched[row] = True
        seat.asked_ns, seat.answered_ns = asked_ns, answered_ns
        if seat.currency != funds.currency:
            seat.currency = funds.currency
            self.members += 1

    def as_seen(self, seat: Seat) -> bool:
        """Whether the newest reading is what the last pass took. Until then the one before it is still shown,
        and would confirm itself.
        """
        return bool(self.accounts.funds_ns[seat.row] == self.accounts.seen_funds_ns[seat.row])

    def kept(self, seat: Seat) -> Fraction:
        """How much of what bound its margin when it was read is still there: whoever is being sold has his
        losses at once, and his margin back with the next reading only.
        """
        now = self._cost(seat)
        return Fraction(now, seat.cost) if now < seat.cost else Fraction(1)

    def _cost(self, seat: Seat) -> int:
        multiplier = self.instruments.multiplier
        return sum(abs(each.cost) * int(multiplier[place]) for _, each, place in self.positions(seat))

    def questionable(self, seat: Seat, funds: Funds) -> bool:
        """Whether a reading may hold trades that were not told yet: it realised what no fill explains, binds
        money for no position that is known, or puts the account at or below its line.
        """
        accounts, row = self.accounts, seat.row
        numbers = (funds.cash, funds.realised, funds.collateral, funds.used_margin)
        try:
            cash, realised, collateral, margin = map(units_of, numbers)
        except UnrepresentableError:
            return False
        if accounts.funds_ns[row] and realised != accounts.realised[row] + accounts.gained[row]:
            return True
        if margin > 0 and not seat.cells:
            return True
        equity = cash + realised + collateral + int(accounts.unrealised[row])
        return margin > 0 and equity / margin * 100 <= float(accounts.lower[row])

    def bears_out(self, seat: Seat, book: Iterable[PositionReport]) -> bool:
        """Whether the broker's position book shows what fills came to; delivery leaves it by itself."""
        shown = net_of((report.key, report.quantity) for report in book)
        known = {key: Decimal(position.quantity) for key, position, _ in self.positions(seat)}
        keys = {key for key in shown.keys() | known.keys() if key.product not in DELIVERED}
        return all(shown.get(key, ZERO) == known.get(key, ZERO) for key in keys)

    def set_price(self, instrument_id: InstrumentId, price: int, received_ns: int) -> None:
        """The newest counts, whoever told it; what is no price is not taken, as is what positions cannot bear
        (`UnrepresentableError`).
        """
        place = self.names.instruments.get(instrument_id)
        prices = self.instruments
        if place is None or price <= 0 or not prices.multiplier[place]:
            return
        if received_ns < prices.price_ns[place]:
            return
        prices.unsound[place] = False
        bounded(price * int(prices.largest[place]) * int(prices.multiplier[place]))
        prices.price[place] = price
        prices.price_ns[place] = received_ns
        prices.moved[place] = True
        prices.weight[place] = prices.multiplier[place]

    def distrust(self, instrument_id: InstrumentId) -> None:
        """What was told of it cannot be a price: until one comes that can, nobody who holds it is judged."""
        place = self.names.instruments.get(instrument_id)
        if place is not None:
            self.instruments.unsound[place] = True

    # -- what comes of it

    def assess(self, now_ns: int) -> int:
        """One pass over everyone; how many held instruments have no fresh price."""
        result = assess(self.accounts, self.cells, self.instruments, now_ns, self._ages)
        self._take_in(slice(self.accounts.top), result)
        self.instruments.moved[: self.instruments.top] = False
        self.assessed_ns = now_ns
        return result.late_prices

    def moved_since(self) -> int:
        """When the oldest price of what is held that no pass has seen was received; 0 where there is none."""
        top = self.instruments.top
        places = np.flatnonzero(self.instruments.moved[:top] & (self.instruments.cells[:top] > 0))
        return int(self.instruments.price_ns[places].min()) if len(places) else 0

    def assess_moved(self, now_ns: int) -> None:
        """One pass over those who hold something whose price came since the last."""
        part = touched(self.accounts, self.cells, self.instruments.moved)
        self.instruments.moved[: self.instruments.top] = False
        result = assess(self.accounts, self.cells, self.instruments, now_ns, self._ages, part)
        self._take_in(part.rows, result)

    def _take_in(self, of: "slice | Ints", result: Assessment) -> None:
        """What a pass came to of some rows; nothing of the others moves."""
        accounts = self.accounts
        changed = accounts.touched[of].copy()
        changed |= result.unrealised != accounts.unrealised[of]
        changed |= result.stale != accounts.stale[of]
        self.turns += 1
        accounts.see_some(of)
        accounts.unrealised[of] = result.unrealised
        accounts.stale[of] = result.stale
        accounts.unsure[of] = result.unsure
        self.instruments.late[: self.instruments.top] = result.late
        accounts.turn[of] = np.where(changed, self.turns, accounts.turn[of])
        accounts.touched[of] = False

    def changed_since(self, turn: int) -> list[Seat]:
        """Whom a pass after this one changed."""
        rows = np.flatnonzero(self.accounts.turn[: self.accounts.top] > turn)
        return [self.by_row[row] for row in rows.tolist() if row in self.by_row]

    def wanted(self) -> frozenset[InstrumentId]:
        """Instruments in which anybody holds anything."""
        held = self.instruments.cells
        return frozenset(each for each, place in self.names.instruments.items() if held[place])

    def positions(self, seat: Seat) -> Iterator[tuple[InstrumentKey, Position, int]]:
        """With the place of their instruments."""
        for number, cell in seat.cells.items():
            position = Position(int(self.cells.quantity[cell]), int(self.cells.cost[cell]))
            yield self.names.keys[number], position, int(self.cells.instrument[cell])

    def _bear(self, instrument: int, quantity: int) -> None:
        """No product of a price and a quantity may leave 64 bits: numpy would not say so."""
        worth = max(1, int(self.instruments.price[instrument])) * int(self.instruments.multiplier[instrument])
        bounded(quantity * worth)
        self.instruments.largest[instrument] = quantity

    def _gain(self, seat: Seat, fill: Fill, gained: int) -> bool:
        """By whole seconds, because that is how finely brokers tell the time."""
        seat.fills += 1
        second = fill.broker_time_ns // _NS_PER_S
        if second < seat.asked_ns // _NS_PER_S:
            return False
        place = self.names.instruments[fill.key.instrument_id]
        self.accounts.gained[seat.row] += gained * int(self.instruments.multiplier[place])
        return second <= seat.answered_ns // _NS_PER_S

    def _open(self, seat: Seat, key: int, instrument: int) -> int:
        cell = self.cells.take()
        self.cells.account[cell], self.cells.instrument[cell] = seat.row, instrument
        self.cells.key[cell] = key
        seat.cells[key] = cell
        self.instruments.cells[instrument] += 1
        if self.instruments.cells[instrument] == 1:
            self._on_demand()
        return cell

    def _close(self, seat: Seat, key: int) -> None:
        cell = seat.cells.pop(key, None)
        if cell is None:
            return
        instrument = self.cells.instrument[cell]
        self.instruments.cells[instrument] -= 1
        if not self.instruments.cells[instrument]:
            self.instruments.largest[instrument] = 0
            self._on_demand()
        self.cells.give(cell)

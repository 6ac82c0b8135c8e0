"""A leader's day as a list of steps, and what each event of it leads to in words."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from paceline.domain.copy_order import CommandKind
from paceline.domain.copying.decision import Decision
from paceline.domain.copying.view import Equity, LeaderPosition, LeaderState
from paceline.domain.order import BrokerStatus, OrderType, Side
from paceline.domain.subscription import Filters, Sizing, SizingMode, Subscription
from tests.unit.domain.given import KEY, LEADER, d, fill, subscription
from tests.unit.domain.mirror_day import Day

Step = Callable[[Day], str | None]
"""Gives words where it is an event of the leader's, and nothing where it only says what was the case."""


def following(ratio: str = "1", **how: object) -> Subscription:
    return replace(subscription(ratio=ratio), **how)  # type: ignore[arg-type]


def sized(mode: str, value: str, **how: object) -> Subscription:
    return following(sizing=replace(Sizing(SizingMode(mode), d(value)), **how))  # type: ignore[arg-type]


def filtered(**how: object) -> Subscription:
    return following(filters=Filters(**how))  # type: ignore[arg-type]


def fills(signed: int | Decimal, order: str = "1", **how: object) -> Step:
    """A trade of the leader's."""

    def step(day: Day) -> str:
        trade = fill(signed, trade=f"t{day.world.count()}", order=order)
        return told(day.tells(replace(trade, **how)))  # type: ignore[arg-type]

    return step


def places(quantity: int = 100, side: Side = Side.BUY, order: str = "1", **said: object) -> Step:
    """An order of the leader's: a limit at 100, unless something else is said."""

    def step(day: Day) -> str:
        fresh = {"order_id": order, "side": side, "quantity": d(quantity), "status": BrokerStatus.PENDING}
        usual = {"type": OrderType.LIMIT, "limit_price": d(100), "trigger_price": d(0), "filled": d(0)}
        return told(day.says(**(fresh | usual | said)))  # type: ignore[arg-type]

    return step


def says(status: BrokerStatus = BrokerStatus.PENDING, **said: object) -> Step:
    """His newest order again."""
    return lambda day: told(day.says(status, **said))


def holds(leader: int, follower: str) -> Step:
    """Both hold this from before; the follower's ideal is `follower`, and he holds the whole of it."""

    def step(day: Day) -> None:
        day.holds(leader, int(d(follower)))
        day.books.ledger = replace(day.books.ledger, ideal=d(follower))

    return step


def also_copies(quantity: int) -> Step:
    """The leader holds this as a follower of others, beside what he traded himself."""

    def step(day: Day) -> None:
        own = day.world.leaders[LEADER].position(KEY).own
        day.world.leaders[LEADER] = LeaderState(LEADER, {KEY: LeaderPosition(own, d(quantity))})

    return step


def equities(leader: int, follower: int) -> Step:
    def step(day: Day) -> None:
        day.world.leaders[LEADER] = replace(day.world.leaders[LEADER], equity=Equity(d(leader), 0))
        day.books.copier = replace(day.books.copier, equity=Equity(d(follower), 0))

    return step


def while_he(**follower: object) -> Step:
    """What is known of the follower from here on."""

    def step(day: Day) -> None:
        day.books.copier = replace(day.books.copier, **follower)  # type: ignore[arg-type]

    return step


def while_it(**instrument: object) -> Step:
    """What is known of the instrument from here on."""

    def step(day: Day) -> None:
        day.world.instrument = replace(day.world.instrument, **instrument)  # type: ignore[arg-type]

    return step


def while_all(**around: object) -> Step:
    """What is known of the market from here on."""
    return lambda day: day.world.around.update(around)


def taken(day: Day) -> None:
    """The broker takes the newest copy."""
    day.at_broker()


def copy_fills(quantity: int | Decimal) -> Step:
    return lambda day: day.world.broker_fills(day.books, day.books.open[-1].tag, Decimal(quantity))


def copy_ends(status: BrokerStatus) -> Step:
    return lambda day: day.world.broker_reports(day.books, day.books.open[-1].tag, status)


def told(decision: Decision | None) -> str:
    """As in `exit -3 @ 99, cancel, ACCOUNT_FROZEN`: orders signed as they trade, changes, and the reason."""
    if decision is None:
        return "nothing"
    words = []
    for order in decision.orders:
        spec = order.spec
        price = "market" if spec.type is OrderType.MARKET else f"{spec.limit_price.normalize():f}"
        once = f" once {spec.trigger_price.normalize():f}" if spec.trigger_price else ""
        signed = spec.quantity.normalize() * int(spec.side)
        words.append(f"{order.intent.value.lower()} {signed:f} @ {price}{once}")
    for command in decision.commands:
        if command.kind is CommandKind.CANCEL:
            words.append("cancel")
        elif command.spec is not None:
            limit = command.spec.limit_price.normalize()
            words.append(f"change to {command.spec.quantity.normalize():f} @ {limit:f}")
    return ", ".join([*words, *([decision.reason] if decision.reason else [])]) or "nothing"

"""The laws of copying, over random histories of fills, partial copies, refusals, lost cancels and flips."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.fold import GivenUp, Placed, SurelyAbsent
from paceline.domain.copying.view import Equity
from paceline.domain.errors import BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import AccountId, BrokerOrderId
from paceline.domain.order import BrokerStatus
from tests.unit.domain.given import FOLLOWER, instrument, subscription
from tests.unit.domain.histories import histories, one_of
from tests.unit.domain.trading_world import (
    AtBroker,
    Books,
    World,
    check_books,
    check_settled,
    every_decision_explains_itself,
)

LEADERS = (AccountId("fyers:L1"), AccountId("fyers:L2"))
OTHER = AccountId("fyers:OTHER")
WHICH = st.integers(0, 999)
"""Chooses among whatever there is; far cheaper than drawing from it."""
RATIOS = st.sampled_from(["0.1", "0.37", "1", "2.5", "0.333333"])


class Copying(RuleBasedStateMachine):
    """Two leaders, two followers, one of whom follows both."""

    @initialize(
        lot=st.sampled_from([1, 5]),
        freeze=st.sampled_from([None, 31]),
        ratios=st.tuples(RATIOS, RATIOS, RATIOS),
    )
    def open(self, lot: int, freeze: int | None, ratios: tuple[str, str, str]) -> None:
        first, second = LEADERS
        self.world = World(
            instrument(lot=lot, freeze=freeze),
            [
                subscription(name="a", ratio=ratios[0], leader=first, follower=FOLLOWER),
                subscription(name="b", ratio=ratios[1], leader=second, follower=FOLLOWER),
                replace(subscription(name="c", ratio=ratios[2], leader=first, follower=OTHER), reverse=True),
            ],
        )

    def _pick(self, which: int, statuses: tuple[CopyStatus, ...]) -> tuple[Books, CopyOrder] | None:
        rows = [(b, o) for b in self.world.books.values() for o in b.orders.values() if o.status in statuses]
        return rows[which % len(rows)] if rows else None

    @rule(who=st.sampled_from(LEADERS), signed=st.integers(-60, 60).filter(bool))
    def leader_trades(self, who: AccountId, signed: int) -> None:
        followed = sum(b.copier.subscription.leader == who for b in self.world.books.values())
        held = {name: books.ledger.held for name, books in self.world.books.items()}
        decisions = self.world.leader_trades(who, Decimal(signed))
        assert len(decisions) == followed
        every_decision_explains_itself(decisions)
        for decision in decisions:
            exits = (o for o in decision.orders if o.intent is Intent.EXIT)
            sold = sum((o.spec.quantity * int(o.spec.side) for o in exits), Decimal(0))
            before = held[decision.subscription_id]
            assert sold * before <= 0, "an exit goes against what is held"
            assert abs(sold) <= abs(before), "an exit never opens the other side"

    @rule(who=st.sampled_from(LEADERS))
    def leader_goes_flat(self, who: AccountId) -> None:
        state = self.world.leaders[who]
        for position in state.positions.values():
            self.world.leader_trades(who, -position.own)

    @rule(which=WHICH)
    def broker_takes_an_order(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED,)):
            books, order = picked
            self.world.tell(books, order.tag, Placed(BrokerOrderId(order.tag)))

    @rule(which=WHICH)
    def broker_fills_a_part(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED, CopyStatus.UNKNOWN, *AtBroker)):
            books, order = picked
            lot = self.world.instrument.lot
            lots = int((order.spec.quantity - order.filled) / lot)
            self.world.broker_fills(books, order.tag, lot * (1 + which % lots))

    @rule(which=WHICH, status=st.sampled_from([BrokerStatus.CANCELLED, BrokerStatus.EXPIRED]))
    def broker_ends_an_order(self, which: int, status: BrokerStatus) -> None:
        if picked := self._pick(which, AtBroker):
            self.world.broker_reports(picked[0], picked[1].tag, status)

    @rule(which=WHICH)
    def broker_ends_an_order_before_its_trades_are_told(self, which: int) -> None:
        if picked := self._pick(which, AtBroker):
            books, order = picked
            lot = self.world.instrument.lot
            lots = int((order.spec.quantity - order.filled) / lot)
            part = 1 + which % lots
            status = BrokerStatus.TRADED if part == lots else BrokerStatus.CANCELLED
            self.world.broker_ends_ahead_of_trades(books, order.tag, lot * part, status)

    @rule(which=WHICH)
    def a_lagging_trade_arrives(self, which: int) -> None:
        if waiting := [books for books in self.world.books.values() if books.lagging]:
            self.world.trade_arrives(one_of(waiting, which))

    @rule(which=WHICH)
    def a_cancelled_order_fills_after_all(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.CANCELLED,)):
            books, order = picked
            sent = order.broker_order_id is not None
            if sent and not any(tag == order.tag for tag, _ in books.lagging):
                self.world.broker_fills(books, order.tag, order.spec.quantity - order.filled)

    @rule(which=WHICH)
    def broker_rejects(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED,)):
            self.world.tell(picked[0], picked[1].tag, BrokerRejected("no margin", code="-99"))

    @rule(which=WHICH)
    def an_answer_is_lost(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED,)):
            self.world.tell(picked[0], picked[1].tag, BrokerOutcomeUnknown("timed out"))

    @rule(which=WHICH)
    def the_lost_one_is_surely_absent(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.UNKNOWN,)):
            self.world.tell(picked[0], picked[1].tag, SurelyAbsent())

    @rule(which=WHICH)
    def an_entry_grows_too_old(self, which: int) -> None:
        if (picked := self._pick(which, (CopyStatus.PLANNED,))) and picked[1].intent is Intent.ENTRY:
            self.world.tell(picked[0], picked[1].tag, GivenUp("ENTRY_TOO_OLD"))

    @rule(which=WHICH, usable=st.booleans())
    def a_session_comes_or_goes(self, which: int, usable: bool) -> None:
        books = one_of(list(self.world.books.values()), which)
        books.copier = replace(books.copier, session_usable=usable)

    @precondition(lambda self: bool(self.world.history))
    @rule(which=WHICH, equity=st.integers(1, 10_000))
    def an_event_is_replayed(self, which: int, equity: int) -> None:
        happened, before = one_of(self.world.history, which)
        ledgers = {name: books.ledger for name, books in self.world.books.items()}
        richer = replace(before, equity=Equity(Decimal(equity), 0))
        for decision in self.world.planned(happened, richer):
            assert decision.decision_id in self.world.decisions
            self.world.commit(happened, decision)
        assert ledgers == {name: books.ledger for name, books in self.world.books.items()}

    @rule()
    def everything_settles(self) -> None:
        self.world.settle()
        for books in self.world.books.values():
            check_settled(self.world, books)
            leader = self.world.leaders[books.copier.subscription.leader]
            if not leader.positions:
                assert books.ledger.position == 0, "flat is flat"

    @invariant()
    def books_agree(self) -> None:
        for books in self.world.books.values():
            check_books(self.world, books)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.everything_settles()


TestLaws = Copying.TestCase
TestLaws.settings = histories(1200)

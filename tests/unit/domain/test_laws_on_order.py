"""The laws where orders are mirrored: random lives of leader orders, their copies, and changes to them."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.fold import Placed
from paceline.domain.copying.view import LeaderOrder
from paceline.domain.errors import BrokerRejected
from paceline.domain.ids import AccountId, BrokerOrderId, SubscriptionId
from paceline.domain.ledger import EntryKind
from paceline.domain.order import BrokerStatus, OrderReport, Side
from paceline.domain.subscription import CopyMode, ShortfallPolicy, Subscription
from tests.unit.domain.given import FOLLOWER, KEY, fill, instrument, report, subscription
from tests.unit.domain.histories import histories, one_of
from tests.unit.domain.trading_world import AtBroker, Books, World, check_books, check_settled

LEADERS = (AccountId("fyers:L1"), AccountId("fyers:L2"))
OTHER = AccountId("fyers:OTHER")
WHICH = st.integers(0, 999)
"""Chooses among whatever there is; far cheaper than drawing from it."""
RATIOS = st.sampled_from(["0.1", "0.37", "1", "2.5", "0.333333"])
SIZES = st.integers(1, 60).map(Decimal)


def mirroring(name: str, ratio: str, leader: AccountId, follower: AccountId) -> Subscription:
    made = subscription(name=name, ratio=ratio, leader=leader, follower=follower)
    return replace(made, mode=CopyMode.ON_ORDER)


class Mirroring(RuleBasedStateMachine):
    """Two leaders; one follower mirrors both, another mirrors one and chases, a third copies his fills."""

    world_of: type[World] = World

    @initialize(
        lot=st.sampled_from([1, 5]),
        freeze=st.sampled_from([None, 31]),
        ratios=st.tuples(RATIOS, RATIOS, RATIOS, RATIOS),
        kind=st.booleans(),
    )
    def open(self, lot: int, freeze: int | None, ratios: tuple[str, str, str, str], kind: bool) -> None:
        """In a `kind` world brokers end nothing unasked, and leaders sell no more than they hold."""
        first, second = LEADERS
        self.kind, self.chased = kind, Decimal(ratios[2])
        chasing = replace(mirroring("c", ratios[2], first, OTHER), shortfall=ShortfallPolicy.CHASE)
        self.world = self.world_of(
            instrument(lot=lot, freeze=freeze),
            [
                mirroring("a", ratios[0], first, FOLLOWER),
                mirroring("b", ratios[1], second, FOLLOWER),
                chasing,
                subscription(name="d", ratio=ratios[3], leader=first, follower=OTHER),
            ],
        )

    def _allowed(self, who: AccountId, side: Side, size: Decimal) -> Decimal:
        """An entry on the other side may net away what is held, which is forgone by name; not so here."""
        if side is Side.BUY or not self.kind:
            return size
        return min(size, max(self.world.leaders[who].position(KEY).own, Decimal(0)))

    def _working(self, who: AccountId) -> list[LeaderOrder]:
        return [order for order in self.world.leaders[who].orders.values() if order.working]

    def _tells(self, order: LeaderOrder, **said: object) -> OrderReport:
        assert order.report is not None
        told = replace(order.report, broker_time_ns=order.report.broker_time_ns + 1, **said)  # type: ignore[arg-type]
        self.world.leader_tells(told)
        return told

    @rule(who=st.sampled_from(LEADERS), side=st.sampled_from(Side), size=SIZES, slow=st.booleans())
    def leader_places_an_order(self, who: AccountId, side: Side, size: Decimal, slow: bool) -> None:
        name, size = f"o{self.world.count()}", self._allowed(who, side, size)
        if not size:
            return
        told = report(order=name, side=side, quantity=int(size), account=who)
        if slow:
            self.world.leader_tells(replace(told, status=BrokerStatus.IN_TRANSIT))
        self.world.leader_tells(told)

    @rule(which=WHICH, who=st.sampled_from(LEADERS), part=SIZES, order=st.permutations(["fill", "report"]))
    def a_leaders_order_fills(self, which: int, who: AccountId, part: Decimal, order: list[str]) -> None:
        """The trade and the report of it come in any order."""
        if not (working := self._working(who)):
            return
        his = one_of(working, which)
        assert his.report is not None
        left = his.report.quantity - his.report.filled
        part = self._allowed(who, his.report.side, min(part, left))
        if part:
            self._fills(his, part, order)

    def _fills(self, his: LeaderOrder, part: Decimal, order: list[str]) -> None:
        assert his.report is not None
        filled = his.report.filled + part
        status = BrokerStatus.TRADED if filled == his.report.quantity else BrokerStatus.PENDING
        signed = part * int(his.report.side)
        number = self.world.count()
        trade = fill(signed, trade=f"t{number}", order=his.report.order_id, account=his.report.account_id)
        for each in order:
            if each == "fill":
                self.world.leader_tells(trade)
            else:
                self._tells(his, filled=filled, status=status)

    @rule(who=st.sampled_from(LEADERS), side=st.sampled_from(Side), size=SIZES, late=st.booleans())
    def a_leaders_order_is_first_seen_traded(
        self, who: AccountId, side: Side, size: Decimal, late: bool
    ) -> None:
        name, number = f"o{self.world.count()}", self.world.count()
        size = self._allowed(who, side, size)
        if not size:
            return
        told = report(
            BrokerStatus.TRADED,
            order=name,
            side=side,
            quantity=int(size),
            filled=int(size),
            account=who,
        )
        trade = fill(size * int(side), trade=f"t{number}", order=name, account=who)
        for body in (told, trade) if late else (trade, told):
            self.world.leader_tells(body)

    @rule(who=st.sampled_from(LEADERS))
    def leader_closes_with_an_order(self, who: AccountId) -> None:
        for position in list(self.world.leaders[who].positions.values()):
            side = Side.SELL if position.own > 0 else Side.BUY
            name = f"o{self.world.count()}"
            self.world.leader_tells(
                report(order=name, side=side, quantity=int(abs(position.own)), account=who)
            )

    @rule(which=WHICH, who=st.sampled_from(LEADERS), size=SIZES, limit=st.integers(90, 110))
    def leader_modifies(self, which: int, who: AccountId, size: Decimal, limit: int) -> None:
        if working := self._working(who):
            his = one_of(working, which)
            assert his.report is not None
            size = self._allowed(who, his.report.side, size)
            if size:
                self._tells(his, quantity=his.report.filled + size, limit_price=Decimal(limit))

    @rule(
        which=WHICH,
        who=st.sampled_from(LEADERS),
        status=st.sampled_from([BrokerStatus.CANCELLED, BrokerStatus.EXPIRED, BrokerStatus.REJECTED]),
    )
    def a_leaders_order_ends(self, which: int, who: AccountId, status: BrokerStatus) -> None:
        if working := self._working(who):
            self._tells(one_of(working, which), status=status)

    @rule(who=st.sampled_from(LEADERS), side=st.sampled_from(Side))
    def a_leaders_order_is_refused(self, who: AccountId, side: Side) -> None:
        before = len(self.world.decisions)
        name = f"o{self.world.count()}"
        self.world.leader_tells(report(BrokerStatus.REJECTED, order=name, side=side, account=who))
        assert len(self.world.decisions) == before, "rejected is never copied"

    def _pick(self, which: int, statuses: tuple[CopyStatus, ...]) -> tuple[Books, CopyOrder] | None:
        rows = [(b, o) for b in self.world.books.values() for o in b.orders.values() if o.status in statuses]
        return rows[which % len(rows)] if rows else None

    @rule(which=WHICH)
    def broker_takes_an_order(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED,)):
            books, order = picked
            self.world.tell(books, order.tag, Placed(BrokerOrderId(order.tag)))

    @rule(which=WHICH)
    def broker_fills_a_part(self, which: int) -> None:
        if picked := self._pick(which, (CopyStatus.PLANNED, *AtBroker)):
            books, order = picked
            if self.kind and order.intent is Intent.EXIT and order.leader_order_id:
                return  # sold ahead of a leader who then stays: forgone by name
            lot = self.world.instrument.lot
            lots = int((order.spec.quantity - order.filled) / lot)
            self.world.broker_fills(books, order.tag, lot * (1 + which % lots))

    @rule(which=WHICH)
    def broker_carries_out_a_change(self, which: int) -> None:
        waiting = [(b, c) for b in self.world.books.values() for c in b.commands.values()]
        if waiting:
            books, command = one_of(waiting, which)
            if books.orders[command.tag].status in AtBroker:
                del books.commands[command.tag]
                self.world.obeys(books, command)

    @rule(which=WHICH, status=st.sampled_from([BrokerStatus.CANCELLED, BrokerStatus.EXPIRED]))
    def broker_ends_a_copy(self, which: int, status: BrokerStatus) -> None:
        if not self.kind and (picked := self._pick(which, AtBroker)):
            self.world.broker_reports(picked[0], picked[1].tag, status)

    @rule(which=WHICH)
    def broker_rejects(self, which: int) -> None:
        if not self.kind and (picked := self._pick(which, (CopyStatus.PLANNED,))):
            self.world.tell(picked[0], picked[1].tag, BrokerRejected("no margin", code="-99"))

    @rule(which=WHICH)
    def an_event_is_replayed(self, which: int) -> None:
        if not self.world.history:
            return
        happened, before = one_of(self.world.history, which)
        ledgers = {name: books.ledger for name, books in self.world.books.items()}
        for decision in self.world.planned(happened, before):
            if decision.decision_id in self.world.decisions:
                self.world.commit(happened, decision)
        assert ledgers == {name: books.ledger for name, books in self.world.books.items()}

    @rule()
    def everything_settles(self) -> None:
        for who in LEADERS:
            for order in self._working(who):
                self._tells(order, status=BrokerStatus.CANCELLED)
        self.world.settle()
        for books in self.world.books.values():
            check_settled(self.world, books)
            assert not books.ledger.buy_pledged
            assert not books.ledger.sell_pledged
            if not self.world.leaders[books.copier.subscription.leader].positions:
                assert books.ledger.position == 0, "flat is flat"

        if self.kind:
            self._nothing_is_lost()

    def _nothing_is_lost(self) -> None:
        """Who chases what is short holds his ratio of the leader's position, and forgoes nothing."""
        assert not self.world.left_over, "what is too much is sold when it is found out"
        books = self.world.books[SubscriptionId("c")]
        position = self.world.leaders[LEADERS[0]].position(KEY).own
        assert abs(books.ledger.ideal - self.chased * position) < Decimal("1e-9")
        assert not [line for line in books.lines if line.kind is EntryKind.FORGONE]

    @invariant()
    def books_agree(self) -> None:
        for books in getattr(self, "world", World(instrument(), [])).books.values():
            check_books(self.world, books)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.everything_settles()


TestLawsOnOrder = Mirroring.TestCase
TestLawsOnOrder.settings = histories(800)

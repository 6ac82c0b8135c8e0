"""The laws of mirrored orders once more, where news is folded as the executor folds it in its transaction."""

from paceline.domain.copy_order import CommandStatus, CopyStatus
from paceline.domain.copying.fold import Resized, Told, Withdrawn
from paceline.domain.ids import CommandId, EventIdentity, Tag
from paceline.domain.order import Fill, OrderReport
from paceline.domain.order_states import TERMINAL
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_commands import CommandResult
from paceline.ports.settlement import Standing
from services.executor.settle import News, Settling
from tests.unit.domain.given import KEY, NOW
from tests.unit.domain.histories import histories
from tests.unit.domain.test_laws_on_order import Mirroring
from tests.unit.domain.trading_world import Books, World


class Settled(World):
    def tell(self, books: Books, tag: Tag, told: Told) -> None:
        order = books.orders[tag]
        home = partition_of(order.account_id)
        event = EventIdentity(f"fact-{self.count()}") if isinstance(told, Fill | OrderReport) else None
        status = CommandStatus.FOLDED if order.status is CopyStatus.PLANNED else CommandStatus.DONE
        change = None
        if isinstance(told, Resized):
            change = CommandResult(told.command_id, home, status)
        elif isinstance(told, Withdrawn):
            change = CommandResult(CommandId("withdrawn"), home, status)
        news = News(home, order.account_id, tag, told, event, change=change)
        name = (books.copier.subscription.subscription_id, KEY)
        standing = Standing(
            {tag: order}, {name: books.open}, {name: books.ledger}, commands=dict(books.commands)
        )
        settling = Settling([news], {KEY.instrument_id: self.instrument}, NOW)
        decided = settling(standing, frozenset())
        books.orders[tag] = settling.orders[tag]
        books.write(tuple(decided.lines))
        if settling.orders[tag].status in TERMINAL:
            books.commands.pop(tag, None)
        for correction in decided.corrections:
            books.write(correction.lines)
            books.orders |= {each.tag: each for each in correction.orders}


class SettledMirroring(Mirroring):
    world_of = Settled


TestLawsSettled = SettledMirroring.TestCase
TestLawsSettled.settings = histories(150)

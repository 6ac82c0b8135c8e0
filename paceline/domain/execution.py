"""Which commands of an account go next: by lane between sequences, in order within each."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paceline.domain.copy_order import CommandKind, CopyCommand, CopyOrder, Intent, Lane
from paceline.domain.ids import AccountId, DecisionId, SubscriptionId
from paceline.domain.instrument import InstrumentKey


class SequenceKey(NamedTuple):
    """Commands of one subscription and instrument key are served in their order."""

    account_id: AccountId
    subscription_id: SubscriptionId | None
    key: InstrumentKey


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to ask of the broker about one copy order."""

    kind: CommandKind
    order: CopyOrder
    change: CopyCommand | None = None
    """What was written ahead, where the order stands already."""

    @property
    def lane(self) -> Lane:
        if self.kind is CommandKind.CANCEL and self.order.lane is not Lane.LIQUIDATION:
            return Lane.CANCEL
        if self.kind is CommandKind.MODIFY and self.order.lane is Lane.ENTRY:
            return Lane.MODIFY
        return self.order.lane

    @property
    def decision_id(self) -> DecisionId:
        return self.change.decision_id if self.change else self.order.decision_id

    @property
    def sequence(self) -> SequenceKey:
        return SequenceKey(self.order.account_id, self.order.subscription_id, self.order.spec.key)

    @property
    def enters(self) -> bool:
        """Whether it spends of the entries' share of the windows."""
        return self.kind is CommandKind.PLACE and self.order.intent is Intent.ENTRY

    def aged(self, now_ns: int) -> bool:
        return self.enters and 0 < self.order.expires_ns < now_ns


@dataclass(frozen=True, slots=True)
class Grants:
    """How many calls the windows allow now, and how many of them may be entries."""

    calls: int
    entries: int


@dataclass(frozen=True, slots=True)
class Next:
    """What to send in this order, what is too old to be sent, and what waits on, in its order."""

    send: tuple[Command, ...]
    aged: tuple[Command, ...]
    waiting: tuple[Command, ...]


def next_commands(
    queue: Sequence[Command],
    grants: Grants,
    now_ns: int,
    busy: Collection[SequenceKey] = frozenset(),
) -> Next:
    """Decide one pass over an account's queue, oldest first.

    A sequence sends the commands of its first decision together (its slices), and nothing more before they
    are answered (`busy`): so an exit never overtakes its own entry. A sequence is as urgent as its most
    urgent command, because that one waits for those before it.
    """
    aged = tuple(command for command in queue if command.aged(now_ns))
    fresh = [command for command in queue if not command.aged(now_ns)]
    calls, entries = grants.calls, grants.entries
    send: list[Command] = []
    for command in _served(fresh, busy):
        if calls <= 0:
            break
        if command.enters:
            if entries <= 0:
                continue
            entries -= 1
        calls -= 1
        send.append(command)
    sent = set(map(id, send))
    return Next(tuple(send), aged, tuple(command for command in fresh if id(command) not in sent))


def _served(queue: Iterable[Command], busy: Collection[SequenceKey]) -> list[Command]:
    """The heads of all sequences that wait for nothing, most urgent sequence first, then oldest."""
    sequences: dict[SequenceKey, list[Command]] = {}
    for command in queue:
        sequences.setdefault(command.sequence, []).append(command)
    ready = [commands for sequence, commands in sequences.items() if sequence not in busy]
    ready.sort(key=lambda commands: min(command.lane for command in commands))
    return [command for commands in ready for command in _head(commands)]


def _head(commands: Sequence[Command]) -> list[Command]:
    first = commands[0]
    return [
        command
        for command in commands
        if (command.kind, command.decision_id, command.order.leg)
        == (first.kind, first.decision_id, first.order.leg)
    ]

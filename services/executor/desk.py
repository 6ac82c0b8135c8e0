"""The commands of one account that wait, in their order, and what of them is on its way."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from paceline.domain.execution import Command, Grants, Next, SequenceKey, next_commands
from paceline.domain.ids import AccountId, CommandId, CopyOrderId

_LOOK_NS = 500_000_000
"""Whatever blocks a desk, what grew too old meanwhile is looked for so often."""


Name = CopyOrderId | CommandId


def name_of(command: Command) -> Name:
    """An order is placed under its own name, and changed under that of the change."""
    return command.change.command_id if command.change else command.order.copy_order_id


@dataclass(slots=True)
class Tries:
    """What was already tried for one command."""

    entered_ns: int
    """By the monotonic clock."""
    sent: int = 0
    never_sent: int = 0
    refused_logins: int = 0


@dataclass(slots=True)
class Desk:
    """Decides what goes next; whoever sends tells it when an answer is there."""

    account_id: AccountId
    burst: int
    """More than so many are never granted at once, so no more are asked for."""
    queue: list[Command] = field(default_factory=list)
    quiet_until_ns: int = 0
    """Nothing can go before."""
    login_waits: int = 0
    """So many of its requests wait for a token; the others wait for them here."""
    _blocked_until_ns: int = 0
    _entries_blocked_until_ns: int = 0
    _flying: Counter[SequenceKey] = field(default_factory=Counter)
    _resting: dict[SequenceKey, int] = field(default_factory=dict)
    _tries: dict[Name, Tries] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not self.queue and not self._flying

    @property
    def flying(self) -> int:
        return self._flying.total()

    def add(self, command: Command, tries: Tries) -> None:
        """Last in its sequence: what an exit makes unwanted before it has a change of its own."""
        self.queue.append(command)
        self._tries[name_of(command)] = tries
        self.quiet_until_ns = 0

    def tries(self, command: Command) -> Tries:
        return self._tries[name_of(command)]

    def gone(self, command: Command) -> Tries:
        """It was dropped and comes back no more; what was tried for it."""
        return self._tries.pop(name_of(command))

    def waits(self, name: Name) -> bool:
        return any(name_of(each) == name for each in self.queue)

    def take_back(self, name: Name) -> Tries | None:
        """It waits no more; None where it does not wait here."""
        waiting = [each for each in self.queue if name_of(each) == name]
        self._drop(waiting)
        return self._tries.pop(name) if waiting else None

    def drop(self, command: Command) -> None:
        """It waits no more; `gone` tells what was tried for it."""
        self._drop([command])

    def next(self, now_ns: int) -> Next:
        """What may go, as far as order allows; the limits have their say afterwards. The aged are dropped."""
        self._resting = {each: until for each, until in self._resting.items() if until > now_ns}
        calls = self.burst if self._blocked_until_ns <= now_ns and not self.login_waits else 0
        entries = self.burst if self._entries_blocked_until_ns <= now_ns else 0
        following = next_commands(
            self.queue, Grants(calls, entries), now_ns, self._flying.keys() | self._resting.keys()
        )
        self._drop(following.aged)
        if not following.send:
            self.quiet_until_ns = self._next_chance_ns(now_ns)
        return following

    def leaves(self, command: Command) -> bool:
        """It is on its way, and its sequence waits for the answer; false when it no longer waits here."""
        if not any(each is command for each in self.queue):
            return False
        self.queue = [each for each in self.queue if each is not command]
        self._flying[command.sequence] += 1
        return True

    def landed(self, command: Command) -> None:
        """Its fate is known, or somebody else's affair: what follows it may go."""
        self.gone(command)
        self._lands(command)

    def again(self, command: Command, rest_until_ns: int = 0) -> None:
        """It surely did not happen: first in its sequence, which rests until then."""
        self.queue.insert(0, command)
        if rest_until_ns:
            self._resting[command.sequence] = rest_until_ns
        self._lands(command)

    def block(self, until_ns: int) -> None:
        """Nothing is granted before."""
        self._blocked_until_ns = max(self._blocked_until_ns, until_ns)

    def block_entries(self, until_ns: int) -> None:
        """Their share is used up; exits are asked for all the same."""
        self._entries_blocked_until_ns = max(self._entries_blocked_until_ns, until_ns)

    def wake(self) -> None:
        """What a rest waited for is there."""
        self._resting.clear()
        self.quiet_until_ns = 0

    def _drop(self, commands: Sequence[Command]) -> None:
        if not commands:
            return
        gone = set(map(id, commands))
        self.queue = [command for command in self.queue if id(command) not in gone]

    def _lands(self, command: Command) -> None:
        self._flying[command.sequence] -= 1
        if self._flying[command.sequence] <= 0:
            del self._flying[command.sequence]
        self.quiet_until_ns = 0

    def _next_chance_ns(self, now_ns: int) -> int:
        times = (self._blocked_until_ns, self._entries_blocked_until_ns, *self._resting.values())
        return min([now_ns + _LOOK_NS, *(each for each in times if each > now_ns)])

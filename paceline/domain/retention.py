"""How long the journal is kept, and what keeps a week longer than that. Weeks begin on Monday."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from paceline.domain.ids import Offset, Partition

WEEK = timedelta(days=7)

READERS = frozenset({"executor", "replicator", "risk", "trades"})
"""Who reads all of the journal, and has not read a week of which nothing says that he did."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one week holds of one partition."""

    partition: Partition
    first: Offset
    last: Offset
    count: int


def weeks_due(weeks: Iterable[date], today: date, kept_days: int) -> Sequence[date]:
    """Those that ended so long ago, oldest first: offsets without holes must stay so."""
    return sorted(week for week in weeks if week + WEEK <= today - timedelta(days=kept_days))


def unread(
    stretches: Iterable[Stretch], places: Mapping[str, Mapping[Partition, Offset]]
) -> Mapping[str, Partition]:
    """Consumers who are not past a week, each with one partition that they still have to read.

    Whoever ever kept a place counts, however slow; who reads everything counts without one too.
    """
    found: dict[str, Partition] = {}
    for stretch in stretches:
        for consumer in sorted(READERS | places.keys()):
            if places.get(consumer, {}).get(stretch.partition, 0) < stretch.last:
                found.setdefault(consumer, stretch.partition)
    return found


def first_known_day(today: date, kept_days: int, weeks: Iterable[date]) -> date:
    """Names of facts older than this may be forgotten: never sooner than the facts of a week that is kept."""
    return min([today - timedelta(days=kept_days), *weeks])

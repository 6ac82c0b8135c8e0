"""Which partitions a replica should claim and give up: a decision without I/O."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, TypeVar

from paceline.domain.ids import Partition
from paceline.ports.leases import LeaseRow, ReplicaRow

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Watch(Generic[K]):
    """Since when, on this replica's own clock, each version has stood unchanged."""

    seen: dict[K, tuple[int, int]] = field(default_factory=dict)

    def look(self, versions: Mapping[K, int], now_ns: int) -> None:
        """Note the versions as they stand now; what is gone is forgotten."""
        self.seen = {
            key: self.seen[key] if key in self.seen and self.seen[key][0] == version else (version, now_ns)
            for key, version in versions.items()
        }

    def silent(self, key: K, now_ns: int, ttl_ns: int) -> bool:
        """A challenger may act only on what stood unchanged for a full TTL."""
        return now_ns - self.seen[key][1] >= ttl_ns


@dataclass(frozen=True, slots=True)
class Moves:
    claims: tuple[tuple[Partition, int], ...]
    surrenders: tuple[Partition, ...]


def decide(
    me: str,
    live: Iterable[str],
    rows: Sequence[LeaseRow],
    held: frozenset[Partition],
    free: frozenset[Partition],
) -> Moves:
    """Claim free rows up to a fair share, give up what is above it; what is least ours goes first."""
    owners = sorted({*live, me})
    share, over = divmod(len(rows), len(owners))
    quota = share + (1 if owners.index(me) < over else 0)
    if len(held) > quota:
        return Moves((), tuple(_by_affinity(me, held)[quota:]))
    versions = {row.partition: row.version for row in rows}
    wanted = _by_affinity(me, free)[: quota - len(held)]
    return Moves(tuple((partition, versions[partition]) for partition in wanted), ())


def free_rows(
    rows: Sequence[LeaseRow], held: frozenset[Partition], watch: Watch[Partition], now_ns: int, ttl_ns: int
) -> frozenset[Partition]:
    """Released rows and rows of silent owners; a former life of ours is a silent owner too."""
    return frozenset(
        row.partition
        for row in rows
        if row.partition not in held and (row.owner is None or watch.silent(row.partition, now_ns, ttl_ns))
    )


def live_replicas(
    replicas: Sequence[ReplicaRow], watch: Watch[str], now_ns: int, ttl_ns: int
) -> tuple[list[str], list[ReplicaRow]]:
    """Owners whose beat moved within a TTL, and the rows of those whose did not."""
    live = [row.owner for row in replicas if not watch.silent(row.owner, now_ns, ttl_ns)]
    dead = [row for row in replicas if watch.silent(row.owner, now_ns, ttl_ns)]
    return live, dead


def _by_affinity(owner: str, partitions: Iterable[Partition]) -> list[Partition]:
    return sorted(partitions, key=lambda partition: _affinity(owner, partition), reverse=True)


def _affinity(owner: str, partition: Partition) -> int:
    return int.from_bytes(blake2b(f"{owner}/{partition}".encode(), digest_size=8).digest(), "big")

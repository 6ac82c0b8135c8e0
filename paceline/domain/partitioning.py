"""Which of the fixed number of partitions an account belongs to."""

from hashlib import blake2b

from paceline.domain.ids import AccountId, Partition

PARTITIONS = 256


def partition_of(account_id: AccountId) -> Partition:
    """Stable for ever: journals, leases and offsets are keyed by it."""
    digest = blake2b(account_id.encode(), digest_size=8).digest()
    return Partition(int.from_bytes(digest, "big") % PARTITIONS)

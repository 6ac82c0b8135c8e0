"""What the leader trades under one name and the follower under another."""

from functools import lru_cache

from paceline.domain.instrument import InstrumentKey
from paceline.domain.subscription import InstrumentMapping, ProductMapping, Subscription


def followers_key(subscription: Subscription, key: InstrumentKey) -> InstrumentKey | None:
    """Where the leader's key is copied to; None where another of the leader's keys is copied there already.

    Two of his positions in one ledger could not be told apart when he leaves one of them.
    """
    if not subscription.instrument_mappings and not subscription.product_mappings:
        return key
    return _mapped(subscription.instrument_mappings, subscription.product_mappings, key)


@lru_cache(maxsize=8192)  # the mappings of a subscription meet few keys, again and again
def _mapped(
    instruments: tuple[InstrumentMapping, ...], products: tuple[ProductMapping, ...], key: InstrumentKey
) -> InstrumentKey | None:
    by_instrument = {each.leader: each.follower for each in instruments}
    by_product = {each.leader: each.follower for each in products}
    taken = key.instrument_id not in by_instrument and key.instrument_id in by_instrument.values()
    if taken or (key.product not in by_product and key.product in by_product.values()):
        return None
    return InstrumentKey(
        by_instrument.get(key.instrument_id, key.instrument_id), by_product.get(key.product, key.product)
    )

"""Drifts as they are told: of an account and key, because brokers know no subscriptions."""

from paceline.adapters.wire.decimals import text_of
from paceline.adapters.wire.orders import key_to_wire
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import replicator_pb2
from paceline.ports.drifts import Drift


def drift_to_wire(drift: Drift) -> replicator_pb2.Drift:
    wire = replicator_pb2.Drift(
        account_id=drift.account_id,
        evidence=f"{drift.difference.kind}: {drift.evidence}",
        observe_time=timestamp_of(drift.since),
    )
    key_to_wire(drift.key, wire.key)
    wire.ledger_quantity.value = text_of(drift.difference.copied)
    wire.broker_quantity.value = text_of(drift.difference.net)
    if drift.ended_at is not None:
        wire.heal_time.CopyFrom(timestamp_of(drift.ended_at))
    return wire

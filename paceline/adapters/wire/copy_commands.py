"""Changes to copy orders: what goes from the plan to the executor after its orders."""

from paceline.adapters.wire.copy_orders import cause_from_wire, cause_to_wire, spec_from_wire, spec_to_wire
from paceline.adapters.wire.enums import COMMAND_KIND, COMMAND_STATUS, LANE
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import key_from_wire, key_to_wire
from paceline.api.v1 import copy_order_pb2
from paceline.domain.copy_order import CommandKind, CopyCommand
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, CommandId, CopyOrderId, DecisionId, SubscriptionId, Tag


def command_to_wire(
    command: CopyCommand, into: copy_order_pb2.CopyCommand | None = None
) -> copy_order_pb2.CopyCommand:
    wire = copy_order_pb2.CopyCommand() if into is None else into
    wire.command_id = command.command_id
    wire.copy_order_id = command.copy_order_id
    wire.tag = command.tag
    wire.decision_id = command.decision_id
    cause_to_wire(command.cause, wire.cause)
    wire.subscription_id = command.subscription_id
    wire.account_id = command.account_id
    key_to_wire(command.key, wire.key)
    wire.kind = COMMAND_KIND.wire[command.kind]
    if command.spec is not None:
        spec_to_wire(command.spec, wire.spec)
    wire.lane = LANE.wire[command.lane]
    wire.leader_time_ns = command.leader_time_ns
    wire.seen_ns = command.seen_ns
    wire.planned_ns = command.planned_ns
    wire.status = COMMAND_STATUS.wire[command.status]
    wire.traceparent = command.traceparent
    return wire


def command_from_wire(wire: copy_order_pb2.CopyCommand) -> CopyCommand:
    kind = COMMAND_KIND.read(wire.kind, "kind")
    if kind is CommandKind.PLACE:
        raise Invalid("kind", "must be COMMAND_KIND_MODIFY or COMMAND_KIND_CANCEL: orders are placed by rows")
    if (kind is CommandKind.MODIFY) != wire.HasField("spec"):
        raise Invalid("spec", "must be set for a modification, and for that alone")
    return CopyCommand(
        command_id=CommandId(required(wire.command_id, "command_id")),
        copy_order_id=CopyOrderId(required(wire.copy_order_id, "copy_order_id")),
        tag=Tag(required(wire.tag, "tag")),
        decision_id=DecisionId(wire.decision_id),
        cause=within("cause", cause_from_wire, wire.cause),
        subscription_id=SubscriptionId(required(wire.subscription_id, "subscription_id")),
        account_id=AccountId(required(wire.account_id, "account_id")),
        key=within("key", key_from_wire, wire.key),
        kind=kind,
        spec=within("spec", spec_from_wire, wire.spec) if wire.HasField("spec") else None,
        lane=LANE.read(wire.lane, "lane"),
        leader_time_ns=wire.leader_time_ns,
        seen_ns=wire.seen_ns,
        planned_ns=wire.planned_ns,
        status=COMMAND_STATUS.read(wire.status, "status"),
        traceparent=wire.traceparent,
    )

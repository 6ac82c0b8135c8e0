"""Any value of the domain that a wire may carry."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.copy_order import (
    Cause,
    CauseKind,
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    Intent,
    Lane,
    OrderSpec,
)
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import (
    AccountId,
    BrokerAppId,
    BrokerOrderId,
    CommandId,
    CopyOrderId,
    DecisionId,
    EventIdentity,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import Exchange, Instrument, InstrumentKey, InstrumentKind, Product, Segment
from paceline.domain.order import BrokerStatus, Fee, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.position import PositionMode, PositionReport
from paceline.domain.subscription import (
    AttributionPolicy,
    Caps,
    CopyMode,
    DriftPolicy,
    EquityFallback,
    ExecutionStyle,
    Filters,
    InstrumentMapping,
    OptionsFilter,
    ProductMapping,
    Protection,
    ProtectionKind,
    ShortfallPolicy,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionGuards,
    SubscriptionState,
)
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = words.filter(bool)
moments = st.integers(0, 2**62)
counts = st.integers(0, 2**31 - 1)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**15), max_value=10**15)
whole = st.integers(0, 10**9).map(Decimal)
amounts = decimals | whole
some_amount = st.none() | amounts
flags = st.booleans()

account_ids = names.map(AccountId)
instrument_ids = names.map(InstrumentId)
subscription_ids = names.map(SubscriptionId)
keys = st.builds(InstrumentKey, instrument_ids, st.sampled_from(Product))

orders = st.builds(
    OrderReport,
    account_id=account_ids,
    order_id=names.map(BrokerOrderId),
    key=keys,
    exchange=st.sampled_from(Exchange),
    segment=st.sampled_from(Segment),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    status=st.sampled_from(BrokerStatus),
    quantity=amounts,
    filled=amounts,
    limit_price=amounts,
    trigger_price=amounts,
    average_price=amounts,
    validity=st.sampled_from(Validity),
    disclosed=amounts,
    offline=flags,
    tag=words,
    broker_time_ns=moments,
    parent_id=words,
    exchange_order_id=words,
    message=words,
    raw_status=words,
    raw_product=words,
)
fees = st.builds(Fee, names, amounts, names)
fills = st.builds(
    Fill,
    account_id=account_ids,
    order_id=names.map(BrokerOrderId),
    trade_id=names,
    key=keys,
    exchange=st.sampled_from(Exchange),
    segment=st.sampled_from(Segment),
    side=st.sampled_from(Side),
    quantity=amounts,
    price=amounts,
    broker_time_ns=moments,
    order_type=st.sampled_from(OrderType),
    tag=words,
    fees=st.lists(fees, max_size=2).map(tuple),
    raw_product=words,
    raw_status=words,
)
positions = st.builds(
    PositionReport,
    account_id=account_ids,
    key=keys,
    exchange=st.sampled_from(Exchange),
    segment=st.sampled_from(Segment),
    quantity=amounts,
    average_price=amounts,
    realised=amounts,
    mode=st.sampled_from(PositionMode),
    leverage=amounts,
    raw_product=words,
)
BODIES: dict[EventKind, st.SearchStrategy[OrderReport | Fill | PositionReport]] = {
    EventKind.ORDER: orders,
    EventKind.FILL: fills,
    EventKind.POSITION: positions,
}


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    kind = draw(st.sampled_from(EventKind))
    return Fact(
        identity=EventIdentity(draw(names)),
        account_id=draw(account_ids),
        kind=kind,
        body=draw(BODIES[kind]),
        broker_time_ns=draw(moments),
        seen_ns=draw(moments),
        recovered=draw(flags),
        raw=draw(st.binary(max_size=20)),
        revision=draw(counts),
    )


events = st.builds(
    Event,
    partition=st.integers(0, 255).map(Partition),
    offset=moments.map(Offset),
    sequence=moments,
    journaled_ns=moments,
    fact=facts(),
    traceparent=words,
)
causes = st.builds(Cause, st.sampled_from(CauseKind), names)
specs = st.builds(
    OrderSpec,
    key=keys,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    quantity=amounts,
    limit_price=amounts,
    trigger_price=amounts,
    validity=st.sampled_from(Validity),
    disclosed=amounts,
    offline=flags,
)
copy_orders = st.builds(
    CopyOrder,
    copy_order_id=names.map(CopyOrderId),
    decision_id=words.map(DecisionId),
    cause=causes,
    subscription_id=st.none() | subscription_ids,
    account_id=account_ids,
    spec=specs,
    intent=st.sampled_from(Intent),
    lane=st.sampled_from(Lane),
    leg=counts,
    slice=counts,
    step=counts,
    tag=names.map(Tag),
    leader_price=amounts,
    leader_time_ns=moments,
    seen_ns=moments,
    planned_ns=moments,
    expires_ns=moments,
    status=st.sampled_from(CopyStatus),
    broker_order_id=st.none() | names.map(BrokerOrderId),
    filled=amounts,
    average_price=amounts,
    traceparent=words,
    leader_order_id=st.none() | names.map(BrokerOrderId),
)


@st.composite
def copy_commands(draw: st.DrawFn) -> CopyCommand:
    kind = draw(st.sampled_from([CommandKind.MODIFY, CommandKind.CANCEL]))
    return CopyCommand(
        command_id=CommandId(draw(names)),
        copy_order_id=CopyOrderId(draw(names)),
        tag=Tag(draw(names)),
        decision_id=DecisionId(draw(words)),
        cause=draw(causes),
        subscription_id=draw(subscription_ids),
        account_id=draw(account_ids),
        key=draw(keys),
        kind=kind,
        spec=draw(specs) if kind is CommandKind.MODIFY else None,
        lane=draw(st.sampled_from(Lane)),
        leader_time_ns=draw(moments),
        seen_ns=draw(moments),
        planned_ns=draw(moments),
        status=draw(st.sampled_from(CommandStatus)),
        traceparent=draw(words),
    )


sizing_inputs = st.builds(
    SizingInputs,
    mode=st.sampled_from(SizingMode),
    value=amounts,
    ratio=amounts,
    unrounded=amounts,
    leader_equity=some_amount,
    leader_equity_age_ms=st.none() | moments,
    follower_equity=some_amount,
    follower_equity_age_ms=st.none() | moments,
    ordered=some_amount,
    granted=some_amount,
    rounded_up=flags,
    limited_by=st.none() | st.sampled_from(SkipReason),
)
decisions = st.builds(
    Decision,
    decision_id=names.map(DecisionId),
    subscription_id=subscription_ids,
    follower=account_ids,
    key=keys,
    side=st.sampled_from(Side),
    intent=st.sampled_from(Intent),
    outcome=st.sampled_from(Outcome),
    quantity=amounts,
    sizing=st.none() | sizing_inputs,
    reason=st.none() | st.sampled_from(SkipReason),
    detail=words,
    orders=st.lists(copy_orders, max_size=2).map(tuple),
    commands=st.lists(copy_commands(), max_size=2).map(tuple),
)
days = st.none() | st.integers(0, 2**31 - 1)
options_filters = st.builds(
    OptionsFilter,
    kinds=st.frozensets(st.sampled_from(InstrumentKind)),
    index_options=st.none() | flags,
    stock_options=st.none() | flags,
    min_days_to_expiry=days,
    max_days_to_expiry=days,
    max_moneyness_bps=some_amount,
)
filters = st.builds(
    Filters,
    segments=st.none() | st.frozensets(st.sampled_from(Segment)),
    allowed=st.none() | st.frozensets(instrument_ids, max_size=3),
    blocked=st.frozensets(instrument_ids, max_size=3),
    max_age_ms=st.integers(0, 10**9),
    allowance_bps=amounts,
    options=st.none() | options_filters,
)
caps = st.builds(
    Caps,
    max_lots_per_order=some_amount,
    max_notional_per_order=some_amount,
    max_exposure=some_amount,
    max_open_positions=st.none() | counts,
)
subscription_guards = st.builds(
    SubscriptionGuards, some_amount, some_amount, flags, st.sampled_from(["INR", "USDT"])
).map(lambda each: each if each.stop_loss or each.take_profit else replace(each, currency=""))
subscriptions = st.builds(
    Subscription,
    subscription_id=subscription_ids,
    leader=account_ids,
    follower=account_ids,
    state=st.sampled_from(SubscriptionState),
    auto_copy=flags,
    mode=st.sampled_from(CopyMode),
    sizing=st.builds(Sizing, st.sampled_from(SizingMode), amounts, flags, st.sampled_from(EquityFallback)),
    filters=filters,
    caps=caps,
    style=st.sampled_from(ExecutionStyle),
    reverse=flags,
    forward_copies=flags,
    allow_opposite=flags,
    attribution=st.sampled_from(AttributionPolicy),
    shortfall=st.sampled_from(ShortfallPolicy),
    drift=st.sampled_from(DriftPolicy),
    leader_silence_ms=st.none() | counts,
    protection=st.builds(Protection, st.sampled_from(ProtectionKind), counts),
    guards=subscription_guards,
    instrument_mappings=st.lists(
        st.builds(InstrumentMapping, instrument_ids, instrument_ids), max_size=2
    ).map(tuple),
    product_mappings=st.lists(
        st.builds(ProductMapping, st.sampled_from(Product), st.sampled_from(Product)), max_size=2
    ).map(tuple),
    version=moments,
)
accounts = st.builds(
    Account,
    account_id=account_ids,
    broker=st.sampled_from(Broker),
    client_id=names,
    type=st.sampled_from(AccountType),
    state=st.sampled_from(AccountState),
    segments=st.frozensets(st.sampled_from(Segment)),
    app_id=st.none() | names.map(BrokerAppId),
    egress=words,
    display_name=words,
    version=moments,
)
broker_apps = st.builds(
    BrokerApp,
    app_id=names.map(BrokerAppId),
    broker=st.sampled_from(Broker),
    client_key=names,
    redirect_url=words,
    display_name=words,
    version=moments,
)
account_groups = st.builds(
    AccountGroup,
    group_id=names.map(GroupId),
    display_name=words,
    min_lots=some_amount,
    max_lots=some_amount,
    lot_step=some_amount,
    version=moments,
)
instruments = st.builds(
    Instrument,
    instrument_id=instrument_ids,
    exchange=st.sampled_from(Exchange),
    segment=st.sampled_from(Segment),
    kind=st.sampled_from(InstrumentKind),
    lot=amounts,
    tick=amounts,
    freeze=some_amount,
    lower_band=some_amount,
    upper_band=some_amount,
    multiplier=amounts,
    currency=names,
    underlying=words,
    expiry=st.none() | st.dates(date(2020, 1, 1)),
    strike=some_amount,
)

"""Names that must not be mixed up."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""One login at one broker, `broker:client`, opaque to everyone but the broker's adapter."""

InstrumentId = NewType("InstrumentId", str)
"""The broker-neutral name of an instrument, opaque in paths and keys (`NSE:SBIN-EQ`, `BTC/USDT`)."""

SubscriptionId = NewType("SubscriptionId", str)
CopyOrderId = NewType("CopyOrderId", str)
DecisionId = NewType("DecisionId", str)
CommandId = NewType("CommandId", str)
BrokerAppId = NewType("BrokerAppId", str)
BrokerOrderId = NewType("BrokerOrderId", str)
LiquidationId = NewType("LiquidationId", str)
Tag = NewType("Tag", str)
"""What a broker stores beside one order and gives back: at most 20 alphanumerics."""

Partition = NewType("Partition", int)
Epoch = NewType("Epoch", int)
Offset = NewType("Offset", int)
EventIdentity = NewType("EventIdentity", str)
"""Broker-given name of one fact; unique in the journal."""

"""Every key in Redis, by its one name; braces keep what belongs together on one cluster slot."""

from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, Partition
from paceline.domain.instrument import Exchange, Segment

PORTFOLIO_UPDATES = "portfolio_updates"
"""The channel of packed portfolios."""


def holding(type_: AccountType, account: AccountId, order: BrokerOrderId) -> str:
    return f"user_holdings:{{{type_.value}:{account}}}:{order}"


def orders_index(type_: AccountType, account: AccountId) -> str:
    return f"user_orders_index:{{{type_.value}:{account}}}"


def portfolio(type_: AccountType, account: AccountId) -> str:
    return f"user_portfolio:{{{type_.value}:{account}}}"


def config(type_: AccountType, account: AccountId) -> str:
    return f"user:{{{type_.value}:{account}}}:config"


def holders(symbol: InstrumentId, type_: AccountType) -> str:
    return f"symbol_holders:{{{symbol}}}:{type_.value}"


def followers(leader: AccountId) -> str:
    return f"copy_master_followers:{{{leader}}}:active"


def provider(follower: AccountId) -> str:
    return f"copy_follower_master:{{{follower}}}:provider_id"


def order_data(order: BrokerOrderId) -> str:
    return f"order_data:{{{order}}}"


def order_triggers(order: BrokerOrderId) -> str:
    return f"order_triggers:{{{order}}}"


def market(symbol: InstrumentId) -> str:
    return f"market:{{{symbol}}}"


def market_status(exchange: Exchange, segment: Segment, market_name: str) -> str:
    return f"market_status:{{{exchange.value}:{segment.value}:{market_name}}}"


def exchange_phase(exchange: Exchange, segment: Segment) -> str:
    return f"exchange_phase:{{{exchange.value}:{segment.value}}}"


def session(account: AccountId) -> str:
    return f"session:{{{account}}}"


def packed_portfolios(partition: Partition) -> str:
    return f"portfolios:{{{partition}}}"


def bucket(account: AccountId, part: str) -> str:
    return f"buckets:{{{account}}}:{part}"

"""The scopes there are."""

from chaos.copy.load import CopyLoad
from chaos.copy.orders import OrderLeader
from chaos.faults import broker, stores
from chaos.faults.processes import kill, stop_longer_than
from chaos.feed.load import LeadersLoad
from chaos.risk.load import RiskLoad
from chaos.scope import Scope

_LEASE_MS = 3_000
QUICK = {
    "PACELINE_LEASE_TTL_MS": str(_LEASE_MS),
    "PACELINE_LEASE_BEAT_MS": "600",
    "PACELINE_BROKER_REQUEST_MAX_MS": "1500",
    "PACELINE_BROKER_READ_TIMEOUT_MS": "1500",
    "PACELINE_BROKER_CONNECT_TIMEOUT_MS": "500",
    "PACELINE_SETTLE_MS": "500",
    "PACELINE_PONG_TIMEOUT_MS": "2000",
    "PACELINE_RECONNECT_LONGEST_MS": "2000",
    "PACELINE_TRADES_SETTLE_MS": "500",
    "PACELINE_BACKSTOP_INTERVAL_S": "5",
}
"""Everything that waits waits shorter, so that minutes hold what would be hours of a day."""

FEED = Scope(
    name="feed",
    services={"feed": 2, "gateway": 1},
    environment=QUICK,
    faults=(
        kill("feed"),
        stop_longer_than("feed", _LEASE_MS / 1000),
        broker.FREEZE,
        broker.CUT,
        broker.SLOW_HANDSHAKE,
        broker.HANDSHAKE_403,
        broker.LOSE,
        broker.LOSE_TRADE,
        broker.DUPLICATE,
        broker.REORDER,
        broker.LAG,
        broker.EXPIRE,
        broker.BOOKS_5XX,
        broker.BOOKS_429,
        broker.REFUSE,
        broker.CLOSED,
        stores.POSTGRES,
        stores.REDIS_RESTART,
        stores.REDIS_FLUSH,
    ),
    load=LeadersLoad,
    load_a_minute=500,
)
COPY = Scope(
    name="copy",
    services={"feed": 2, "replicator": 2, "executor": 2, "risk": 1, "gateway": 1},
    environment=QUICK,
    faults=(kill("feed", "replicator", "executor", often=48),),
    load=lambda: CopyLoad(beside=OrderLeader()),
    load_a_minute=500,
)
EXECUTOR = Scope(
    name="executor",
    services={"feed": 1, "replicator": 1, "executor": 3, "risk": 1, "gateway": 1},
    environment=QUICK,
    faults=(
        kill("executor", often=50),
        stop_longer_than("executor", _LEASE_MS / 1000, lane="stopped"),
        *broker.ORDERS,
        broker.EXPIRE,
        broker.REFUSE,
        stores.POSTGRES,
        stores.REDIS_FLUSH,
    ),
    load=CopyLoad,
    load_a_minute=500,
)
RISK = Scope(
    name="risk",
    services={"feed": 1, "replicator": 1, "executor": 2, "risk": 2, "gateway": 1},
    environment=QUICK
    | {
        "PACELINE_FUNDS_INTERVAL_MS": "1500",
        "PACELINE_FUNDS_AGAIN_MS": "500",
        "PACELINE_PRICE_AGE_MAX_MS": "4000",
    },
    faults=(
        kill("risk", "executor", often=48),
        stop_longer_than("risk", _LEASE_MS / 1000, lane="stopped"),
        *broker.LIQUIDATIONS,
        broker.LIE,
        broker.TICKS_HELD,
        broker.REFUSE,
        stores.POSTGRES,
        stores.REDIS_FLUSH,
    ),
    load=RiskLoad,
    load_a_minute=20,
)
SCOPES = {scope.name: scope for scope in (FEED, COPY, EXECUTOR, RISK)}

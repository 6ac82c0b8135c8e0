"""What is judged of liquidations: the broker's books, and what the platform wrote of what it did."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from chaos.copy.evidence import booked_of, traded_of
from chaos.copy.laws import Booked, Traded
from chaos.risk.laws import Alerted, Book, Row, Wanted
from chaos.stage import Stage
from paceline.adapters.postgres.database import Row as Record

_TOTAL, _USED = 1, 2
_PENDING, _TRANSIT = 6, 4
_API = "ITS"
_WANTED = """SELECT r.*, (extract(epoch FROM r.requested_at) * 1000000000)::bigint AS wanted_ns,
    coalesce((SELECT (extract(epoch FROM min(s.at)) * 1000000000)::bigint FROM liquidation_steps s
        WHERE s.liquidation_id = r.liquidation_id AND s.state = 'STORED'), 0) AS stored_ns,
    l.equity IS NOT NULL AND l.prices <> '{}' AS told, l.state = 'DONE' AND r.ended_at IS NOT NULL AS done
FROM liquidation_requests r LEFT JOIN liquidations l USING (liquidation_id)"""
_ROWS = (
    """SELECT tag, account_id, cause_kind, cause_identity, status, filled, broker_order_id FROM copy_orders"""
)
_ALERTS = (
    """SELECT account_id, kind, (extract(epoch FROM created_at) * 1000000000)::bigint AS at_ns FROM alerts"""
)
_STORY = """SELECT at, subject, action AS what, cause, details::text AS details FROM audit
UNION ALL SELECT s.at, l.account_id, s.state, l.liquidation_id, s.detail
FROM liquidation_steps s JOIN liquidations l USING (liquidation_id) ORDER BY 1"""
_SKIPS = (
    "SELECT decision_id FROM decisions WHERE outcome = 'SKIPPED' AND coalesce(reason, '') = ANY($1::text[])"
)
_STATES = """SELECT account_id, s.state, a.state AS account
FROM accounts a LEFT JOIN risk_states s USING (account_id)"""
_RUNNING = (
    """SELECT account_id FROM liquidation_requests WHERE account_id = ANY($1::text[]) AND ended_at IS NULL"""
)
_OPEN = """SELECT tag FROM copy_orders WHERE account_id = ANY($1::text[])
    AND status IN ('PLANNED', 'UNKNOWN', 'WORKING', 'PARTIAL')"""
_WARNED = """SELECT account_id FROM alerts WHERE kind = 'WARNING' AND account_id = ANY($1::text[])
    AND created_at >= to_timestamp($2::bigint / 1000000000.0)"""
_FROZEN = "SELECT account_id FROM accounts WHERE account_id = ANY($1::text[]) AND state = 'FROZEN'"
_NOT_CALM = "SELECT account_id FROM risk_states WHERE account_id = ANY($1::text[]) AND state <> 'CALM'"
_NEVER_SENT = ("CANCELLED", "SKIPPED", "FAILED")
_UNENDED = ("PLANNED", "UNKNOWN", "WORKING", "PARTIAL")


def account_of(client: str) -> str:
    return f"fyers:{client}"


def client_of(account: str) -> str:
    return account.partition(":")[2]


class RiskBooks:
    def __init__(self, stage: Stage) -> None:
        self._control = stage.control
        self._database = stage.database

    async def books(self, clients: Sequence[str]) -> dict[str, Book]:
        found = (await self._control.get("/books", client_ids=",".join(clients)))["books"]
        return {client: book_of(row) for client, row in found.items()}

    async def of_broker(self) -> tuple[list[Any], list[Any], int]:
        """All orders, all trades, and how often a window was breached."""
        orders = (await self._control.get("/orders"))["orders"]
        trades = (await self._control.get("/trades"))["trades"]
        return orders, trades, int((await self._control.get("/limits"))["breaches"])

    async def wanted(self) -> list[Wanted]:
        return [wanted_of(row) for row in await self._database.fetch(_WANTED)]

    async def rows(self) -> list[Row]:
        return [row_of(row) for row in await self._database.fetch(_ROWS)]

    async def alerts(self) -> list[Alerted]:
        rows = await self._database.fetch(_ALERTS)
        return [Alerted(client_of(row["account_id"]), row["kind"], row["at_ns"]) for row in rows]

    async def story(self) -> list[str]:
        """The audit and the steps of all liquidations, a line for each, in the order of time."""
        return [" ".join(map(str, row.values())) for row in await self._database.fetch(_STORY)]

    async def nameless_skips(self) -> list[str]:
        return [row["decision_id"] for row in await self._database.fetch(_SKIPS, ["", "UNSPECIFIED"])]

    async def restless(self) -> dict[str, str]:
        rows = await self._database.fetch(_STATES)
        calm = {(None, "ACTIVE"), ("CALM", "ACTIVE")}
        states = {client_of(row["account_id"]): (row["state"], row["account"]) for row in rows}
        return {client: f"{state}, {account}" for client, (state, account) in states.items()
                if (state, account) not in calm}  # fmt: skip

    async def running(self, clients: Iterable[str]) -> set[str]:
        return await self._accounts(_RUNNING, clients)

    async def frozen(self, clients: Iterable[str]) -> set[str]:
        return await self._accounts(_FROZEN, clients)

    async def not_calm(self, clients: Iterable[str]) -> set[str]:
        return await self._accounts(_NOT_CALM, clients)

    async def warned(self, clients: Iterable[str], since_ns: int) -> set[str]:
        return await self._accounts(_WARNED, clients, since_ns)

    async def open_rows(self, clients: Iterable[str]) -> set[str]:
        rows = await self._database.fetch(_OPEN, [account_of(each) for each in clients])
        return {row["tag"] for row in rows}

    async def _accounts(self, query: str, clients: Iterable[str], *more: object) -> set[str]:
        rows = await self._database.fetch(query, [account_of(each) for each in clients], *more)
        return {client_of(row["account_id"]) for row in rows}


def book_of(row: Mapping[str, Any]) -> Book:
    funds = {each["id"]: Decimal(str(each["equityAmount"])) for each in row["funds"]}
    held = [each for each in row["positions"] if each["netQty"]]
    return Book(
        total=funds[_TOTAL],
        used=funds[_USED],
        nets={each["symbol"]: int(each["netQty"]) for each in held},
        paid={each["symbol"]: Decimal(str(each["netAvg"])) for each in held},
        working=frozenset(each["id"] for each in row["orders"] if each["status"] in (_PENDING, _TRANSIT)),
    )


def of_api(rows: Iterable[Mapping[str, Any]]) -> list[Booked]:
    """Orders that the platform placed."""
    return [booked_of(row) for row in rows if row["source"] == _API]


def trades_of(rows: Iterable[Mapping[str, Any]]) -> list[Traded]:
    return [traded_of(row) for row in rows]


def wanted_of(row: Record) -> Wanted:
    margin = row["cause"] == "MARGIN"
    return Wanted(
        name=row["liquidation_id"],
        client=client_of(row["account_id"]),
        cause=row["cause"],
        cause_id=row["cause_id"],
        whole=row["subscription_id"] is None,
        wanted_ns=row["wanted_ns"],
        stored_ns=row["stored_ns"],
        told=bool(row["told"]) or not margin,
        done=bool(row["done"]),
    )


def row_of(row: Record) -> Row:
    liquidation = row["cause_identity"].rpartition("|")[0] if row["cause_kind"] == "LIQUIDATION" else ""
    return Row(
        tag=row["tag"],
        client=client_of(row["account_id"]),
        filled=int(row["filled"]),
        unsent=row["broker_order_id"] is None and row["status"] in _NEVER_SENT,
        ended=row["status"] not in _UNENDED,
        liquidation=liquidation,
    )

"""The crash told by the audit, and by the simulator's books."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from paceline.api.v1 import common_pb2, executor_pb2, query_pb2, query_pb2_grpc
from paceline.cli.demo.control import Control
from paceline.cli.demo.crash_judge import CrashEvidence, Fill, Placed
from paceline.cli.demo.risks import Risks

_PAGE = 1_000
_STEPS = "liquidation."
"""Actions whose entries say what the steps say, and less of it."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the demo saw or did itself; as in `CrashEvidence`."""

    symbol: str
    seed: int
    crew: Set[str]
    by_hand: Set[str]
    mails: Mapping[str, Sequence[str]]
    expected: Mapping[str, Set[str]]
    fallen_ns: int


class CrashBooks:
    def __init__(self, gateway: grpc.aio.Channel, control: Control, risks: Risks) -> None:
        self._query = query_pb2_grpc.QueryServiceStub(gateway)
        self._control = control
        self._risks = risks

    async def tell(self, since: datetime, say: Callable[[str], object]) -> None:
        """The audit trail, a line for each entry and each step of a liquidation, in the order of time."""
        told: list[tuple[int, str]] = []
        for entry in await self._audit(since):
            if entry.action.startswith(_STEPS):
                continue
            words = f"{entry.subject}: {entry.action} {entry.detail}"
            told.append((entry.create_time.ToNanoseconds(), f"{_clock(entry.create_time)} {words}"))
        for each in await self._risks.liquidations():
            for step in await self._risks.steps(each.liquidation_id):
                words = f"{each.account_id}: {_words(step)}"
                told.append((step.step_time.ToNanoseconds(), f"{_clock(step.step_time)} {words}"))
        for _, line in sorted(told, key=lambda one: one[0]):
            say(line)

    async def _audit(self, since: datetime) -> list[query_pb2.AuditEntry]:
        created = common_pb2.TimeRange()
        created.start_time.FromDatetime(since)
        found: list[query_pb2.AuditEntry] = []
        token = ""
        while True:
            page = await self._query.ListAuditEntries(
                query_pb2.ListAuditEntriesRequest(created=created, page_size=_PAGE, page_token=token)
            )
            found.extend(page.audit_entries)
            token = page.next_page_token
            if not token:
                return found[::-1]

    async def evidence(self, watched: Watched) -> CrashEvidence:
        orders = (await self._control.get("/orders"))["orders"]
        trades = (await self._control.get("/trades"))["trades"]
        states = [each.state for each in await self._risks.liquidations()]
        return CrashEvidence(
            symbol=watched.symbol,
            seed=watched.seed,
            crew=watched.crew,
            by_hand=watched.by_hand,
            orders=[Placed(o["client_id"], o["symbol"], o["id"], bool(o["reject"])) for o in orders],
            fills=[
                Fill(t["client_id"], t["symbol"], t["order_id"], t["side"], t["qty"], t["at"]["mono_ns"])
                for t in trades
            ],
            liquidations=len(states),
            done=states.count(executor_pb2.LIQUIDATION_STATE_DONE),
            mails=watched.mails,
            expected=watched.expected,
            fallen_ns=watched.fallen_ns,
            breaches=int((await self._control.get("/limits"))["breaches"]),
        )


def _words(step: executor_pb2.LiquidationStep) -> str:
    state = executor_pb2.LiquidationState.Name(step.state).removeprefix("LIQUIDATION_STATE_").lower()
    key = f" {step.key.instrument_id}" if step.HasField("key") else ""
    left = f", {step.remaining.value} left" if step.HasField("remaining") else ""
    said = f": {step.detail}" if step.detail else ""
    return f"{state.replace('_', ' ')}{said}{key}{left}"


def _clock(time: Timestamp) -> str:
    """Of the machine, to the millisecond."""
    return datetime.fromtimestamp(time.ToNanoseconds() / 1e9).astimezone().strftime("%H:%M:%S.%f")[:-3]

"""Lines are an account's own: read, changed once for each version, audited, heard of by risk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.risk_limits import PostgresRiskLimits
from paceline.adapters.postgres.risk_states import PostgresRiskStates
from paceline.api.v1 import common_pb2, risk_pb2
from paceline.domain.errors import Conflict, Invalid, NotFound
from paceline.domain.ids import AccountId
from paceline.domain.risk import Thresholds
from services.risk.servicer_limits import LimitMethods
from tests.integration.risk.test_kill_switches import Caller
from tests.integration.storage.makers import accounts_of
from tests.unit.domain.given import d

ME = AccountId("fyers:XLEADER")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=2))
    await accounts_of(database, ME)
    yield database
    await database.close()


async def update(
    database: Database, *paths: str, account_id: str = ME, version: int = 0, **lines: str
) -> risk_pb2.RiskLimits:
    numbers: dict[str, Any] = {name: common_pb2.Decimal(value=text) for name, text in lines.items()}
    limits = risk_pb2.RiskLimits(account_id=account_id, version=version, **numbers)
    asked = risk_pb2.UpdateRiskLimitsRequest(
        request_id="r", limits=limits, update_mask=FieldMask(paths=list(paths or lines))
    )
    door = LimitMethods(PostgresRiskLimits(database))
    return (await door.UpdateRiskLimits(asked, Caller())).limits


async def test_lines_are_the_usual_ones_until_somebody_sets_them(database: Database) -> None:
    door = LimitMethods(PostgresRiskLimits(database))
    usual = (await door.GetRiskLimits(risk_pb2.GetRiskLimitsRequest(account_id=ME), Caller())).limits
    assert (usual.warning_percent.value, usual.liquidation_percent.value, usual.version) == ("50", "10", 0)
    changed = await update(database, warning_percent="80", rearm_percent="90.5")
    assert (changed.version, changed.rearm_percent.value) == (1, "90.5")
    again = await update(database, warning_percent="80")
    assert again.version == 1
    assert (await PostgresRiskStates(database).of([ME]))[ME].thresholds == Thresholds(d(80), d("90.5"), d(10))
    (entry,) = await PostgresAudit(database).page()
    assert (entry.actor, entry.action, entry.details["warning_percent"]) == (
        "alice",
        "risk_limits.update",
        "80",
    )
    back = await update(database, "warning_percent", "rearm_percent", version=1)
    assert (back.version, back.warning_percent.value, back.rearm_percent.value) == (2, "50", "55")
    with pytest.raises(Conflict):
        await update(database, version=1, warning_percent="70")


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ({"liquidation_percent": "50"}, "limits.liquidation_percent"),
        ({"warning_percent": "56"}, "limits.rearm_percent"),
        ({"warning_percent": "-1"}, "limits.warning_percent"),
        ({"rearm_percent": "55.00001"}, "limits.rearm_percent"),
        ({"warning_percent": "many"}, "limits.warning_percent"),
        ({"max_drawdown_percent": "5"}, "limits.guard_level"),
    ],
)
async def test_what_cannot_be_a_line_is_refused_by_field(
    database: Database, lines: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await update(database, **lines)  # type: ignore[arg-type]  # names of lines
    assert [each.field for each in refused.value.problems] == [field]
    assert (await PostgresRiskLimits(database).get(ME)).version == 0


async def test_masks_versions_and_accounts_are_checked(database: Database) -> None:
    for paths in (["version"], ["nonsense"]):
        with pytest.raises(Invalid, match="update_mask"):
            await update(database, *paths)
    with pytest.raises(Invalid, match="version"):
        await update(database, version=-1, warning_percent="40")
    with pytest.raises(NotFound):
        await update(database, account_id="fyers:XNOBODY", warning_percent="40")

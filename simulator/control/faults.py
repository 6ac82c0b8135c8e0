"""Switching faults on and off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.control.body import Body, ControlError, Routes, Row, client, member, texts
from simulator.faults import ACTS, EVERY_CALL, FaultKind, Rule
from simulator.fyers import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.server import Simulator

CARRIED_OUT_UNLESS_SAID = frozenset({FaultKind.CODE_201})
FIRST_SERVER_ERROR, LAST_SERVER_ERROR = 500, 599


def switch_on(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """One rule; see the README for what each kind reads."""
    del path
    kind = member(FaultKind, body, "kind")
    if kind in ACTS:
        raise ControlError(f"{kind.value} is an act with a path of its own, not a rule")
    accounts = frozenset(texts(body, "accounts"))
    for one in accounts:
        client(simulator, {"client_id": one})
    options: dict[str, object] = {
        "accounts": accounts,
        "probability": _probability(body),
        "ms": parse.number(body, "ms", 0),
        "status": _status(body),
        "accept": body.get("accept", kind in CARRIED_OUT_UNLESS_SAID) is True,
        "percent": parse.number(body, "percent", 1),
    }
    if body.get("next") is not None:
        options["remaining"] = parse.whole(body, "next")
    calls = frozenset(texts(body, "calls"))
    if calls:
        options["calls"] = EVERY_CALL if "*" in calls else calls
    return shown(simulator.face.faults.add(kind, **options))


def _probability(body: Body) -> float:
    value = parse.number(body, "probability", 1)
    if not 0 <= value <= 1:
        raise ControlError("probability must be between 0 and 1")
    return value


def _status(body: Body) -> int:
    value = parse.whole(body, "status", 502)
    if not FIRST_SERVER_ERROR <= value <= LAST_SERVER_ERROR:
        raise ControlError("status must be between 500 and 599")
    return value


def shown(rule: Rule) -> Row:
    return {
        "id": rule.id,
        "kind": rule.kind.value,
        "accounts": sorted(rule.accounts),
        "calls": sorted(rule.calls),
        "probability": rule.probability,
        "next": rule.remaining,
        "ms": rule.ms,
        "status": rule.status,
        "accept": rule.accept,
        "percent": rule.percent,
        "hits": rule.hits,
    }


def listed(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body, path
    faults = simulator.face.faults
    hits = {kind.value: count for kind, count in faults.hits.items()}
    return {"rules": [shown(one) for one in faults.rules.values()], "hits": hits}


def switch_off(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body
    removed = simulator.face.faults.remove(int(path["rule_id"]))
    if removed is None:
        raise ControlError(f"rule {path['rule_id']} is unknown")
    return shown(removed)


def clear(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Every rule, or those of one `kind`."""
    del path
    kind = member(FaultKind, body, "kind") if "kind" in body else None
    return {"removed": simulator.face.faults.clear(kind)}


ROUTES: Routes = (
    ("POST", "/faults", switch_on),
    ("GET", "/faults", listed),
    ("DELETE", "/faults/{rule_id:\\d+}", switch_off),
    ("DELETE", "/faults", clear),
)

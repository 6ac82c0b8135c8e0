"""A plugin for the mutation run: tests are collected once, and every mutant is tried in a fork of its own."""

import json
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

UNDER_TEST = "MUTANT_UNDER_TEST"
"""Which mutant the arrangement of mutmut runs; `stats` notes which functions are called."""
REACHED = Path("reached.json")
KILLED, SURVIVED, UNREACHED = 1, 0, 33
CPU_SECONDS, CPU_TIMES = 3, 4
"""What takes so much longer than the tests without it loops; the system kills it, which counts as noticed."""
MONEY_FIRST = (
    *("copying/", "ledger", "order_states", "execution", "changing", "money", "trading", "risk", "tracking"),
    *("holdings", "drift", ""),
)
"""By beginning of the file's name: a run that is cut short has tried what matters most."""
SAVED_EVERY = 10


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of the tests themselves."""
    items = {item.nodeid: item for item in session.items}
    reached: dict[str, list[str]] = {}
    if _in_a_fork(lambda: _note_what_is_reached(session.items)) != 0:
        raise pytest.UsageError("the tests must pass before mutants are tried")
    costs: dict[str, float] = {}
    for seconds, test, functions in sorted(json.loads(REACHED.read_text(encoding="utf-8"))):
        costs[test] = seconds  # and the cheapest come first
        for function in functions:
            reached.setdefault(function, []).append(test)
    for meta in _by_weight(Path("paceline/domain")):
        told = json.loads(meta.read_text(encoding="utf-8"))
        codes = told["exit_code_by_key"]
        for number, name in enumerate([name for name, code in codes.items() if code is None]):
            tests = reached.get(name.rpartition("__mutmut_")[0], [])
            limit = CPU_SECONDS + CPU_TIMES * sum(costs[test] for test in tests)
            codes[name] = _try(name, [items[test] for test in tests], int(limit))
            if number % SAVED_EVERY == 0:
                meta.write_text(json.dumps(told, indent=4), encoding="utf-8")
        meta.write_text(json.dumps(told, indent=4), encoding="utf-8")
        print(f"{time.strftime('%H:%M:%S')} {meta}", flush=True)  # noqa: T201
    return True


def _by_weight(folder: Path) -> Iterator[Path]:
    left = {str(meta.relative_to(folder)): meta for meta in sorted(folder.rglob("*.py.meta"))}
    for beginning in MONEY_FIRST:
        for name in [name for name in left if name.startswith(beginning)]:
            yield left.pop(name)


def _in_a_fork(act: Callable[[], bool]) -> int:
    """Zero where it was true."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        code = int(not act())
    except BaseException:  # noqa: BLE001  # whatever broke, it was noticed
        code = KILLED
    os._exit(code)


def _try(name: str, items: list[pytest.Item], limit: int) -> int:
    if not items:
        return UNREACHED

    def act() -> bool:
        os.environ[UNDER_TEST] = name
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        return all(map(_passes, items))

    return _in_a_fork(act)


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False))


def _note_what_is_reached(items: Iterable[pytest.Item]) -> bool:
    from mutmut.state import state  # type: ignore[import-not-found,unused-ignore]

    os.environ[UNDER_TEST] = "stats"
    found = []
    for item in items:
        began = time.process_time()
        if not _passes(item):
            print(f"{item.nodeid} fails", flush=True)  # noqa: T201
            return False
        found.append((time.process_time() - began, item.nodeid, sorted(state()._stats)))
        state()._stats.clear()
    REACHED.write_text(json.dumps(found), encoding="utf-8")
    return True

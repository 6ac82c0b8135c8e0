"""A plugin for the mutation run: tests are collected once, and every mutant is tried in a fork of its own."""

import gc
import json
import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
AT_ONCE = os.cpu_count() or 1
NEARNESS = 20
PARTS = 3


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of the tests themselves. Every third mutant first: what is cut short is a fair part of all."""
    REACHED.unlink(missing_ok=True)
    os.waitpid(_forked(lambda: _note_what_is_reached(session.items)), 0)
    if not REACHED.exists():
        raise pytest.UsageError("the tests must pass before mutants are tried")
    gc.freeze()
    trial = Trial(session.items)
    for first in range(PARTS):
        for meta in _by_weight(Path("paceline/domain")):
            _try_all(meta, trial, first)
    return True


def _try_all(meta: Path, trial: "Trial", first: int) -> None:
    told = json.loads(meta.read_text(encoding="utf-8"))
    codes = told["exit_code_by_key"]
    names = [name for name in list(codes)[first::PARTS] if codes[name] is None]
    for number, (name, code) in enumerate(trial.of(names), 1):
        codes[name] = code
        if number % SAVED_EVERY == 0 or number == len(names):
            meta.write_text(json.dumps(told, indent=4), encoding="utf-8")
            print(f"{time.strftime('%H:%M:%S')} {meta} {number} of {len(names)}", flush=True)  # noqa: T201


@dataclass(frozen=True, slots=True)
class _Running:
    mutant: str
    told: int
    """Where the name of the test arrives that noticed it."""


class Trial:
    """Tries mutants on the tests that reach them, those first that are cheap or have noticed others."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self._items = {item.nodeid: item for item in items}
        self._costs: dict[str, float] = {}
        self._reached: dict[str, list[str]] = {}
        for seconds, test, functions in json.loads(REACHED.read_text(encoding="utf-8")):
            self._costs[test] = seconds
            for function in functions:
                self._reached.setdefault(function, []).append(test)
        self._noticed: Counter[tuple[str, str]] = Counter()
        self._running: dict[int, _Running] = {}

    def of(self, mutants: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Each as mutmut writes it down, in the order in which they end."""
        for mutant in mutants:
            if not self._tests(mutant):
                yield mutant, UNREACHED
                continue
            if len(self._running) == AT_ONCE:
                yield self._first_to_end()
            self._start(mutant)
        while self._running:
            yield self._first_to_end()

    def _tests(self, mutant: str) -> list[str]:
        """Those that have noticed other mutants of the same function before those of any function."""
        function = _function_of(mutant)

        def rank(test: str) -> float:
            noticed = self._noticed[test, ""] + NEARNESS * self._noticed[test, function]
            return self._costs[test] / (1 + noticed)

        return sorted(self._reached.get(function, ()), key=rank)

    def _start(self, mutant: str) -> None:
        tests = self._tests(mutant)
        limit = int(CPU_SECONDS + CPU_TIMES * sum(self._costs[test] for test in tests))
        told, tells = os.pipe()

        def survives() -> bool:
            os.environ[UNDER_TEST] = mutant
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            for test in tests:
                if not _passes(self._items[test]):
                    os.write(tells, test.encode())
                    return False
            return True

        self._running[_forked(survives)] = _Running(mutant, told)
        os.close(tells)

    def _first_to_end(self) -> tuple[str, int]:
        child, status = os.wait()
        running = self._running.pop(child)
        with os.fdopen(running.told) as told:
            test = told.read()
        self._noticed[test, ""] += 1
        self._noticed[test, _function_of(running.mutant)] += 1
        return running.mutant, os.waitstatus_to_exitcode(status)


def _function_of(mutant: str) -> str:
    return mutant.rpartition("__mutmut_")[0]


def _by_weight(folder: Path) -> Iterator[Path]:
    left = {str(meta.relative_to(folder)): meta for meta in sorted(folder.rglob("*.py.meta"))}
    for beginning in MONEY_FIRST:
        for name in [name for name in left if name.startswith(beginning)]:
            yield left.pop(name)


def _forked(act: Callable[[], bool]) -> int:
    """The process; it ends with zero where it was true."""
    child = os.fork()
    if not child:
        try:
            code = int(not act())
        except BaseException:  # noqa: BLE001  # whatever broke, it was noticed
            code = KILLED
        os._exit(code)
    return child


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

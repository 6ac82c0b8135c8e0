"""One feed process with many live sessions: how fast it comes up, journals and recovers, and what it keeps.

Everything is real: the feed and the simulated broker as processes, PostgreSQL with fsync, Redis. Counted is
what stands in the journal, and judged is it by the broker's books. The bounds are a bare aiohttp client that
opens as many subscribed sockets at the same broker, and the same number of rows in a table without rules.
"""

import asyncio
import base64
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp
import uvloop

from benchmarks import journal
from benchmarks.cost import cpu_s, resident_mb
from benchmarks.crowd import at_broker, enrolled, until_live
from benchmarks.load import Driven, Load, Trades
from benchmarks.report import Result
from paceline.adapters.postgres.migrate import upgrade
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.seal import KeyringSeal
from paceline.cli.demo.control import Control
from paceline.cli.processes import Processes, start_simulator
from paceline.cli.stack import BROKER_URLS
from paceline.embedded.leash import end
from paceline.embedded.nest import Nest
from paceline.embedded.ports import free_port
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis

BARS = {"events_per_s": 2_000, "recovered_s": 10.0, "rss_mb": 300.0}
"""Of a thousand sessions; fewer are measured, not judged."""
JUDGED_FROM = 1_000
_CUT_FILLS = 300
_LIVE_S = 300.0
_BARE_ROUNDS = 5
_STOP_S = 10.0
_SUBSCRIBE = '{"T":"SUB_ORD","SLIST":["orders","trades","positions"],"SUB_T":1}'
_BUSY = 0.8
"""From this share of a core on, a process of one thread has little left to give."""


@dataclass(frozen=True, slots=True)
class Place:
    """What runs beside the feed."""

    processes: Processes
    urls: Mapping[str, str]
    postgres_url: str
    pids: Mapping[str, int]
    key: str


@dataclass(frozen=True, slots=True)
class Recovery:
    live_s: float
    recovered_s: float
    fills: int


@dataclass(frozen=True, slots=True)
class Bare:
    """The client that only opens sockets, and the table that only takes rows."""

    connect_s: float
    rows_per_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """All that was read off."""

    sessions: int
    all_live_s: float
    idle_mb: float | None
    """Of a feed that has nobody; what a few sessions add to it is lost in the noise of two processes."""
    live_mb: float
    end_mb: float
    driven: Driven
    cores: Mapping[str, float]
    recovery: Recovery
    booked: int
    """Fills in the broker's books; the journal has each of them once."""
    untold: int
    """Of these, how many no frame ever told."""
    bare: Bare


def run(sessions: int, seconds: float, seed: int) -> Result:
    with _place(seed) as place:
        return _result(uvloop.run(_measured(place, sessions, seconds)), seed)


@contextmanager
def _place(seed: int) -> Iterator[Place]:
    logs = Nest("paceline-bench")
    try:
        with EmbeddedPostgres() as postgres, EmbeddedRedis() as redis:
            upgrade(postgres.url)
            log = logs.path / "simulator.log"
            child, urls = start_simulator(os.environ, log, ["--seed", str(seed)])
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            environment = {
                **{name: value for name, value in os.environ.items() if not name.startswith("PACELINE_")},
                **{name: urls[url] for name, url in BROKER_URLS.items()},
                "PACELINE_POSTGRES_URL": postgres.url,
                "PACELINE_REDIS_URL": redis.url,
                "PACELINE_ENCRYPTION_KEY": key,
                "PACELINE_MARKET_HOURS": "always-open",
            }
            processes = Processes(environment, logs.path)
            pids = {
                "simulator": child.pid,
                "postgres": postgres.pid,
                "redis": redis.pid,
                "driver": os.getpid(),
            }
            try:
                yield Place(processes, urls, postgres.url, pids, key)
            finally:
                processes.stop()
                end(child, signal.SIGTERM, within_s=_STOP_S)
                if child.stdout is not None:
                    child.stdout.close()
    finally:
        logs.close()


async def _measured(place: Place, sessions: int, seconds: float) -> Run:
    database = await open_database(place.postgres_url, PoolOptions(max_size=8, application_name="bench"))
    try:
        async with Control(place.urls["control_url"]) as control:
            bare = Bare(await _bare_connect_s(control, place, sessions), await _bare_rows_per_s(place))
            idle_mb = _idle_mb(place) if sessions >= JUDGED_FROM else None
            crowd = await enrolled(control, database, KeyringSeal.from_text(place.key), sessions)
            began_s = time.time()
            feed = place.processes.start("feed", 0, free_port(), free_port())
            pids = {**place.pids, "feed": feed.pid}
            all_live_s = await until_live(database, sessions, began_s, _LIVE_S) - began_s
            live_mb = resident_mb(feed.pid)
            load = Load(control, database, crowd.clients)
            before, at = _spent(pids), time.monotonic()
            driven = await load.drive(seconds)
            took_s = time.monotonic() - at
            cores = {name: round((spent - before[name]) / took_s, 2) for name, spent in _spent(pids).items()}
            recovery = await _recovery(control, load, database, sessions)
            end_mb = resident_mb(feed.pid)
            booked, untold = await load.booked()
            require_same(await load.journaled(), booked)
    finally:
        await database.close()
    fills = booked.total()
    return Run(sessions, all_live_s, idle_mb, live_mb, end_mb, driven, cores, recovery, fills, untold, bare)


def _idle_mb(place: Place) -> float:
    """A feed that is ready and has nobody."""
    feed = place.processes.start("feed", 0, free_port(), free_port())
    place.processes.wait_until_ready([feed])
    found = resident_mb(feed.pid)
    place.processes.stop()
    return found


async def _recovery(control: Control, load: Load, database: Any, sessions: int) -> Recovery:
    """From the cut of every socket until all are live and what was traded meanwhile is in the journal."""
    fills = min(sessions, _CUT_FILLS)
    cut_at_s, began = time.time(), time.monotonic()
    cut = (await control.post("/sockets/cut", {}))["cut"]
    if cut != sessions:
        raise RuntimeError(f"{cut} sockets were cut where {sessions} should have been open")
    await load.place_for(fills)
    live_s = await until_live(database, sessions, cut_at_s, _LIVE_S) - cut_at_s
    journaled = await load.until_journaled() - began
    return Recovery(live_s, max(live_s, journaled), fills)


def require_same(journaled: Trades, booked: Trades) -> None:
    """Every trade of the broker's books is in the journal exactly once, or nothing was measured."""
    if journaled != booked:
        missing, more = booked - journaled, journaled - booked
        raise RuntimeError(
            f"the journal lacks {missing.total()} fills of the broker's books, first {sorted(missing)[:3]},"
            f" and has {more.total()} that are not there, first {sorted(more)[:3]}"
        )


async def _bare_connect_s(control: Control, place: Place, sessions: int) -> float:
    """Subscribed sockets of the same library, all at once, by a client that does nothing else."""
    made = await at_broker(control, "XB", sessions)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        url = place.urls["order_socket_url"]

        async def opened(key: str) -> aiohttp.ClientWebSocketResponse:
            socket = await http.ws_connect(url, headers={"authorization": key})
            await socket.send_str(_SUBSCRIBE)
            await socket.receive_str()
            return socket

        began = time.monotonic()
        sockets = await asyncio.gather(*(opened(each["authorization"]) for each in made))
        took_s = time.monotonic() - began
        await asyncio.gather(*(each.close() for each in sockets))
    return took_s


async def _bare_rows_per_s(place: Place) -> float:
    return journal.GROUP / median(await journal.bare_inserts(place.postgres_url, _BARE_ROUNDS))


def _spent(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU; the driver's without those of what it started."""
    own = time.process_time()
    return {name: own if name == "driver" else cpu_s(pid) for name, pid in pids.items()}


def _result(run: Run, seed: int) -> Result:
    events_per_s = round(run.driven.events / run.driven.took_s)
    figures: dict[str, Any] = {
        "sessions": run.sessions,
        "events_per_s": events_per_s,
        "fills_per_s": round(run.driven.fills / run.driven.took_s),
        "events": run.driven.events,
        "fills": run.driven.fills,
        "fills_booked": run.booked,
        "events_per_feed_cpu_s": round(run.driven.events / max(0.01, run.cores["feed"] * run.driven.took_s)),
        "cores": run.cores,
        "limited_by": _limit(run.cores, os.getloadavg()[0]),
        "all_live_s": round(run.all_live_s, 2),
        "live_again_s": round(run.recovery.live_s, 2),
        "recovered_s": round(run.recovery.recovered_s, 2),
        "fills_after_cut": run.recovery.fills,
        "fills_by_books_alone": run.untold,
        "rss_mb": run.end_mb,
        "rss_live_mb": run.live_mb,
        "rss_idle_mb": run.idle_mb,
        "rss_kb_per_session": _kb_per_session(run),
    }
    met = figures["events_per_s"] >= BARS["events_per_s"] and all(
        figures[name] <= BARS[name] for name in ("recovered_s", "rss_mb")
    )
    return Result(
        name="feed",
        seed=seed,
        rounds=1,
        figures=figures,
        lower_bound={
            "bare_connect_s": round(run.bare.connect_s, 2),
            "bare_rows_per_s": round(run.bare.rows_per_s),
        },
        ratio={
            "events_per_s": round(run.bare.rows_per_s / events_per_s, 1),
            "recovered_s": round(run.recovery.recovered_s / run.bare.connect_s, 1),
        },
        bar=BARS,
        met=met if run.sessions >= JUDGED_FROM else None,
        headline=f"{events_per_s:,} events/s, all live {run.all_live_s:.1f} s, recovered"
        f" {run.recovery.recovered_s:.1f} s, {run.end_mb:.0f} MB",
        floor=f"bare sockets {run.bare.connect_s:.1f} s, bare rows {run.bare.rows_per_s:,.0f}/s",
        notes=(
            "fsync and synchronous_commit on; no TLS; the simulator's usual limits of 10 calls a second",
            "all_live_s is from the start of the process",
            "recovered_s ends when all are live and every fill made after the cut is in the journal",
            "every fill of the broker's books stood in the journal exactly once",
            "rss_mb is after the load and the recovery; rss_kb_per_session is what coming to life added",
        ),
    )


def _kb_per_session(run: Run) -> float | None:
    return None if run.idle_mb is None else round((run.live_mb - run.idle_mb) * 1_024 / run.sessions, 1)


def _limit(cores: Mapping[str, float], load_1m: float) -> str:
    """Which process had nothing left; else the machine, which others used too, or the wait for commits."""
    if cores["feed"] >= _BUSY:
        return "feed"
    if cores["simulator"] >= _BUSY:
        return "simulator"
    return "machine" if max(sum(cores.values()), load_1m) >= _BUSY * (os.cpu_count() or 1) else "commits"

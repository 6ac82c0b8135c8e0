"""Stores that come late are waited for: said in the log, told by the probe, and no service dies of it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline.adapters.postgres.migrate import upgrade
from paceline.cli.keys import encryption_key
from paceline.cli.ports import Ports
from paceline.cli.processes import SERVICES, Process, Processes, start_simulator
from paceline.cli.stack import BROKER_URLS
from paceline.embedded.leash import end
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis
from tests.e2e.stage import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[dict[str, str]]:
    child, urls = start_simulator({}, tmp_path / "simulator.log", ["--port", "0"])
    yield {name: urls[key] for name, key in BROKER_URLS.items()}
    end(child, signal.SIGTERM, within_s=10)
    assert child.stdout is not None
    child.stdout.close()


def test_every_service_waits_for_late_stores_and_then_serves(tmp_path: Path, broker: dict[str, str]) -> None:
    with EmbeddedPostgres(durable=False) as postgres, EmbeddedRedis() as redis:
        upgrade(postgres.url)
        postgres.halt()
        redis.kill()
        environment = {
            **broker,
            "PACELINE_POSTGRES_URL": postgres.tcp_url,
            "PACELINE_REDIS_URL": redis.tcp_url,
            "PACELINE_ENCRYPTION_KEY": encryption_key(None),
        }
        services = Processes(environment, tmp_path)
        try:
            for service in SERVICES:
                services.start(service, 0, *Ports().of_service(service, 0))
            _all_wait_for(services, "postgres", postgres.tcp_url)
            postgres.restart()
            _all_wait_for(services, "redis", redis.tcp_url)
            redis.restart()
            services.wait_until_ready(services.running)
        finally:
            services.stop()
    for service in SERVICES:
        log = (tmp_path / f"{service}.log").read_text()
        assert "Traceback" not in log
        assert postgres.tcp_url.split("@")[0].split(":")[-1] not in log


def _waits_for(process: Process, store: str, place: str) -> None:
    wanted = f"{store} at {place}"
    wait_until(lambda: wanted in (process.waiting_for() or ""), f"{process.name} waits for {wanted}")
    wait_until(lambda: (place, "warning") in _told(process, store), f"{process.name} logs that it waits")


def _told(process: Process, store: str) -> list[tuple[str, str]]:
    """Where, and how loudly, the log says that a store is waited for."""
    lines = process.log.read_text().splitlines() if process.log else []
    said = [json.loads(line) for line in lines]
    mine = [each for each in said if (each["event"], each.get("store")) == ("waiting for a store", store)]
    return [(each["at"], each["level"]) for each in mine]


def _all_wait_for(services: Processes, store: str, url: str) -> None:
    """In the probe's answer and in the log, by name and place."""
    place = url.partition("@")[2].partition("/")[0]
    for process in services.running:
        _waits_for(process, store, place)
        process.check()

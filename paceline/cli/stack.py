"""Everything Paceline needs, on one machine: stores, broker, services; ours where no other is named."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from paceline.cli.keys import encryption_key
from paceline.cli.migrating import MigrationError, move
from paceline.cli.ports import Ports
from paceline.cli.processes import SERVICES, Process, Processes, StackError, start_simulator
from paceline.embedded.certificate import Certificate
from paceline.embedded.leash import end
from paceline.embedded.nest import DirectoryInUseError
from paceline.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from paceline.embedded.redis import EmbeddedRedis, EmbeddedRedisError
from paceline.runtime.common_settings import without_driver
from paceline.runtime.dependency import place_of

if TYPE_CHECKING:
    import subprocess

BROKER_URLS = {
    "PACELINE_FYERS_API_URL": "api_url",
    "PACELINE_FYERS_DATA_URL": "data_url",
    "PACELINE_FYERS_ORDER_SOCKET_URL": "order_socket_url",
    "PACELINE_FYERS_DATA_SOCKET_URL": "data_socket_url",
    "PACELINE_FYERS_SYMBOLS_URL": "symbols_url",
    "PACELINE_FYERS_AUTH_URL": "auth_url",
}
_POSTGRES = ("PACELINE_POSTGRES_URL", "DATABASE_URL")
_REDIS = ("PACELINE_REDIS_URL", "REDIS_URL")
_KEYS = ("PACELINE_ENCRYPTION_KEY", "ENCRYPTION_KEY")
_STOP_S = 10.0
_PROBLEMS = (EmbeddedPostgresError, EmbeddedRedisError, DirectoryInUseError, MigrationError)


@dataclass(frozen=True, slots=True)
class StackOptions:
    """`replicas` of each service; `data` keeps stores and keys; `environment` wins over the shell's."""

    replicas: int = 1
    seed: int = 1
    data: Path | None = None
    logs: Path | None = None
    ports: Ports = field(default_factory=Ports)
    environment: Mapping[str, str] = field(default_factory=dict)
    only: Mapping[str, int] = field(default_factory=dict)
    """Services with their replicas, where not all are wanted."""
    broker_tls: Certificate | None = None
    """With it the simulated broker speaks TLS, and the services trust it."""

    def replicas_of(self, service: str) -> int:
        return self.only.get(service, 0) if self.only else self.replicas


@dataclass(frozen=True, slots=True)
class Endpoint:
    name: str
    url: str


class Stack:
    """Started and stopped from the main thread; says what it does through `say`."""

    def __init__(self, options: StackOptions, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._environ = {**os.environ, **options.environment}
        self._stops: list[Callable[[], None]] = []
        self.broker_urls: dict[str, str] = {}
        self.control_url = ""
        self.postgres_url = ""
        self.redis_url = ""
        self.services = Processes({}, options.logs)
        self.postgres: EmbeddedPostgres | None = None
        self.redis: EmbeddedRedis | None = None
        self._simulator_pid = 0

    def start(self) -> Self:
        """Returns when every service takes work. Raises a `StackError` that says what stands in the way."""
        try:
            self._start()
        except _PROBLEMS as problem:
            self.stop()
            raise StackError(str(problem)) from problem
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Last started, first stopped; may be called twice."""
        while self._stops:
            self._stops.pop()()

    def check(self) -> None:
        """Raises when a process of the stack ended by itself."""
        self.services.check()

    @property
    def gateway(self) -> str:
        return self.services.of("gateway")[0].address

    @property
    def pids(self) -> dict[str, int]:
        """Of everything that was started here."""
        stores = {"postgres": self.postgres, "redis": self.redis}
        found = {name: store.pid for name, store in stores.items() if store is not None}
        if self._simulator_pid:
            found["simulator"] = self._simulator_pid
        return found | {process.name: process.pid for process in self.services.running}

    def endpoints(self) -> list[Endpoint]:
        """Where everything is reached; stores without their passwords."""
        running = sorted(self.services.running, key=lambda each: SERVICES.index(each.service), reverse=True)
        found = [Endpoint(f"{each.name} gRPC", each.address) for each in running]
        found += [Endpoint(f"{each.name} metrics", each.metrics_url) for each in running]
        if self.control_url:
            found += [
                Endpoint("broker (simulated Fyers)", self.broker_urls["PACELINE_FYERS_API_URL"]),
                Endpoint("broker's control door", self.control_url),
            ]
        return [
            *found,
            Endpoint("PostgreSQL", place_of(self.postgres_url)),
            Endpoint("Redis", place_of(self.redis_url)),
        ]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        named_broker = {name: self._environ[name] for name in BROKER_URLS if self._environ.get(name)}
        self._options.ports.demand_free(self._options.replicas, broker=not named_broker)
        self.postgres_url = self._postgres()
        self._migrate()
        self.redis_url = self._redis()
        self.broker_urls = named_broker or self._simulated_broker()
        self.services = Processes(self._service_environment(), self._options.logs)
        self._stops.append(self.services.stop)
        wanted = [service for service in SERVICES if self._options.replicas_of(service)]
        self._say(f"starting {', '.join(wanted)}{self._each()}")
        started: list[Process] = []
        for service in wanted:
            for replica in range(self._options.replicas_of(service)):
                ports = self._options.ports.of_service(service, replica)
                started.append(self.services.start(service, replica, *ports))
        self.services.wait_until_ready(started, say=self._say)

    def _postgres(self) -> str:
        named = self._named(_POSTGRES)
        if named:
            return without_driver(named)
        self._say("starting PostgreSQL")
        data = self._options.data
        self.postgres = EmbeddedPostgres(data=data / "postgres" if data else None, log=self._log("postgres"))
        self._stops.append(self.postgres.stop)
        return self.postgres.start().url

    def _migrate(self) -> None:
        self._say("bringing the schema up to date")
        move(self.postgres_url)

    def _redis(self) -> str:
        named = self._named(_REDIS)
        if named:
            return named
        self._say("starting Valkey")
        data = self._options.data
        self.redis = EmbeddedRedis(data=data / "redis" if data else None, log=self._log("redis"))
        self._stops.append(self.redis.stop)
        return self.redis.start().url

    def _simulated_broker(self) -> dict[str, str]:
        self._say("starting the simulated broker")
        own, control = self._options.ports.of_broker()
        seed = str(self._options.seed)
        arguments = ["--port", str(own), "--control-port", str(control), "--seed", seed]
        if tls := self._options.broker_tls:
            arguments += ["--tls-cert", str(tls.chain), "--tls-key", str(tls.key)]
        child, urls = start_simulator(self._environ, self._log("simulator"), arguments)
        self._stops.append(lambda: _end(child))
        self._simulator_pid = child.pid
        self.control_url = urls["control_url"]
        return {name: urls[key] for name, key in BROKER_URLS.items()}

    def _service_environment(self) -> dict[str, str]:
        ours = {"PACELINE_LOG_FORMAT": "console"}
        if not self._named(_KEYS):
            ours["PACELINE_ENCRYPTION_KEY"] = encryption_key(self._options.data)
        if self.control_url:
            ours["PACELINE_MARKET_HOURS"] = "always-open"  # as the simulated exchange is
            if tls := self._options.broker_tls:
                ours["PACELINE_FYERS_CA_FILE"] = str(tls.chain)
        return {
            **ours,
            **self._environ,
            "PACELINE_POSTGRES_URL": self.postgres_url,
            "PACELINE_REDIS_URL": self.redis_url,
            **self.broker_urls,
        }

    def _log(self, name: str) -> Path | None:
        return self._options.logs / f"{name}.log" if self._options.logs else None

    def _each(self) -> str:
        many = self._options.replicas > 1 and not self._options.only
        return f", {self._options.replicas} of each" if many else ""

    def _named(self, names: tuple[str, ...]) -> str | None:
        return next((self._environ[name] for name in names if self._environ.get(name)), None)


def _end(child: "subprocess.Popen[bytes]") -> None:
    end(child, signal.SIGTERM, within_s=_STOP_S)
    if child.stdout is not None:
        child.stdout.close()

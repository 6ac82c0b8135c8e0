"""The simulated broker as a process of its own, without limits and over TLS, and accounts that may trade."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from benchmarks.cost import cpu_s
from paceline.cli.demo.control import Control
from paceline.cli.processes import start_simulator
from paceline.embedded.certificate import Certificate, self_signed
from paceline.embedded.leash import end
from paceline.embedded.nest import Nest

SYMBOL = "NSE:SBIN-EQ"
LIMIT = "700.00"
"""Far below the market: orders rest, so that placing is all that is measured."""
_STOP_S = 5.0
_NO_LIMITS = ("--per-second", "0", "--per-minute", "0", "--per-day", "0")


@dataclass(frozen=True, slots=True)
class Place:
    """Where it stands."""

    api_url: str
    control_url: str
    certificate: Certificate
    pid: int


@dataclass(frozen=True, slots=True)
class Broker:
    """Who trades there: each authorization is `APPID:token`."""

    place: Place
    control: Control
    authorizations: Sequence[str]

    def cpu_s(self) -> float:
        return cpu_s(self.place.pid)


@contextmanager
def broker_process(seed: int) -> Iterator[Place]:
    nest = Nest("paceline-bench")
    try:
        certificate = self_signed(nest.path)
        tls = ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
        child, urls = start_simulator(
            os.environ, nest.path / "simulator.log", ["--seed", str(seed), *_NO_LIMITS, *tls]
        )
        try:
            yield Place(urls["api_url"], urls["control_url"], certificate, child.pid)
        finally:
            end(child, signal.SIGTERM, within_s=_STOP_S)
            if child.stdout is not None:
                child.stdout.close()
    finally:
        nest.close()


@asynccontextmanager
async def open_broker(place: Place, accounts: int) -> AsyncIterator[Broker]:
    async with Control(place.control_url) as control:
        made = (await control.post("/accounts", {"count": accounts, "prefix": "XC"}))["accounts"]
        yield Broker(place, control, [each["authorization"] for each in made])


@asynccontextmanager
async def broker_delay(control: Control, delay_ms: int) -> AsyncIterator[None]:
    """Every order takes so much longer at the broker before he looks at it."""
    if not delay_ms:
        yield
        return
    rule = await control.post("/faults", {"kind": "delay_before", "ms": delay_ms})
    try:
        yield
    finally:
        await control.delete(f"/faults/{rule['id']}")


def settled() -> None:
    """What was made for the measurement is not walked through again and again while it runs."""
    gc.collect()
    gc.freeze()

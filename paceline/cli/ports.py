"""The ports of a stack: free ones, or a row of known ones that are looked at before anything starts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paceline.cli.processes import SERVICES, StackError, replica_name
from paceline.embedded.ports import LOOPBACK, free_port
from paceline.runtime.failure import PortError, demand_free_port

GRPC = 50051
METRICS = 9464
BROKER = 9800


@dataclass(frozen=True, slots=True)
class Ports:
    """The first of each row; 0 takes free ones."""

    grpc: int = 0
    metrics: int = 0
    broker: int = 0

    def of_service(self, service: str, replica: int) -> tuple[int, int]:
        """gRPC and metrics."""
        step = SERVICES.index(service) + replica * len(SERVICES)
        return _at(self.grpc, step) or free_port(), _at(self.metrics, step) or free_port()

    def of_broker(self) -> tuple[int, int]:
        """The broker's door and the control door; zeros leave the choice to the simulator."""
        return self.broker, _at(self.broker, 1)

    def demand_free(self, replicas: int, *, broker: bool) -> None:
        """Raises a `StackError` that names every port that is taken, and what wanted it."""
        taken = list(self._taken(replicas, broker=broker))
        if taken:
            raise StackError("\n".join(taken))

    def _taken(self, replicas: int, *, broker: bool) -> Iterator[str]:
        for name, port in self._named(replicas, broker=broker):
            try:
                demand_free_port(name, LOOPBACK, port)
            except PortError as problem:
                yield str(problem)

    def _named(self, replicas: int, *, broker: bool) -> Sequence[tuple[str, int]]:
        named: list[tuple[str, int]] = []
        for step in range(replicas * len(SERVICES)):
            name = replica_name(SERVICES[step % len(SERVICES)], step // len(SERVICES))
            named.append((f"{name} gRPC (--grpc-port)", _at(self.grpc, step)))
            named.append((f"{name} metrics (--metrics-port)", _at(self.metrics, step)))
        if broker:
            own, control = self.of_broker()
            named += [
                ("simulated broker (--broker-port)", own),
                ("its control door (--broker-port)", control),
            ]
        return [(name, port) for name, port in named if port]


def _at(first: int, step: int) -> int:
    return first + step if first else 0

"""One real PostgreSQL and one real Redis for each worker of a session; a fresh database for each test."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings

from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis

_MIGRATE = "paceline.adapters.postgres.migrate"
_TEMPLATE = "migrated"
_numbers = count(1)

# How long an example takes says nothing on a machine that is shared.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For runs that only ask whether a test fails at all.
settings.register_profile(
    "brief",
    settings.get_profile("shared"),
    max_examples=15,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("shared")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The server of this worker, without fsync. Tests that stop or kill a server start one of their own."""
    with EmbeddedPostgres(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """A database with the whole schema and no rows, to copy from."""
    postgres_server.query(f"CREATE DATABASE {_TEMPLATE}")
    if find_spec(_MIGRATE) is not None:
        import_module(_MIGRATE).upgrade(postgres_server.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(postgres_server, migrated_template)


@pytest.fixture
def empty_postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own without any schema."""
    yield from _database(postgres_server, "template0")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """The server of this worker. Tests that stop or kill a server start one of their own."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> Iterator[str]:
    """An empty Redis."""
    redis_server.flush()
    yield redis_server.url
    redis_server.flush()


def _database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.query(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url_of(name)
    server.query(f"DROP DATABASE {name} WITH (FORCE)")

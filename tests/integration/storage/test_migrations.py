"""The schema goes forward and back, and any number of starters may try at once."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline.adapters.postgres import migrate
from paceline.adapters.postgres.migrations.script import VERSIONS
from paceline.embedded.pg_cluster import binary


def schema_of(url: str) -> str:
    """As `pg_dump` writes it, without what it invents anew each time."""
    done = subprocess.run(
        [str(binary("pg_dump")), "--schema-only", "--no-owner", url],
        check=True,
        capture_output=True,
        text=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("\\"))


def test_back_to_nothing_and_forward_again_gives_the_same_schema(empty_postgres_url: str) -> None:
    empty = schema_of(empty_postgres_url)
    migrate.upgrade(empty_postgres_url)
    full = schema_of(empty_postgres_url)
    assert "CREATE TABLE public.copy_orders" in full
    migrate.downgrade(empty_postgres_url, "base")
    assert schema_of(empty_postgres_url) == empty
    migrate.upgrade(empty_postgres_url)
    assert schema_of(empty_postgres_url) == full


def test_every_step_goes_back_to_the_one_before(empty_postgres_url: str) -> None:
    schemas = []
    steps = revisions()
    for revision in steps:
        migrate.upgrade(empty_postgres_url, revision)
        assert migrate.current(empty_postgres_url) == revision
        schemas.append(schema_of(empty_postgres_url))
    for revision, schema in reversed(list(zip(steps[:-1], schemas[:-1], strict=True))):
        migrate.downgrade(empty_postgres_url, revision)
        assert migrate.current(empty_postgres_url) == revision
        assert schema_of(empty_postgres_url) == schema


def test_many_starters_migrate_once(empty_postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as starters:
        list(starters.map(migrate.upgrade, [empty_postgres_url] * 4))
    assert migrate.current(empty_postgres_url) == migrate.head()


def test_a_step_that_fails_leaves_the_schema_as_it_was(empty_postgres_url: str) -> None:
    migrate.upgrade(empty_postgres_url, "0001")
    subprocess.run([str(binary("psql")), "-q", empty_postgres_url, "-c", "CREATE TABLE fills ()"], check=True)
    before = schema_of(empty_postgres_url)
    with pytest.raises(Exception, match="fills"):
        migrate.upgrade(empty_postgres_url)
    assert migrate.current(empty_postgres_url) == "0001"
    assert schema_of(empty_postgres_url) == before


def revisions() -> list[str]:
    """Oldest first."""
    return sorted(path.name[:4] for path in VERSIONS.glob("[0-9]*.py"))

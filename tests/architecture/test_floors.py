"""The floors hold, and a contract that is broken is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("paceline", "services", "simulator", "benchmarks", "chaos")

PLANTED = [
    ("services/feed/planted.py", "import services.executor\n", "No service imports another"),
    ("paceline/domain/planted.py", "import asyncio\n", "The domain knows nothing"),
    ("paceline/cli/planted.py", "import benchmarks.feed\n", "Nothing that runs stands on"),
    ("benchmarks/planted.py", "import simulator.bench\n", "The platform knows nothing"),
    ("services/feed/planted.py", "import chaos.run\n", "Only the command line knows chaos"),
    ("chaos/planted.py", "import services.feed.hub\n", "Chaos judges services from outside"),
    ("chaos/planted.py", "import simulator.truth\n", "The platform knows nothing"),
    ("simulator/planted.py", "import paceline.domain.money\n", "The simulator knows nothing"),
    ("services/risk/planted.py", "import paceline.adapters.redis.keys\n", "Only composition roots"),
    ("paceline/domain/planted.py", "import paceline.ports.clock\n", "The floors of the house"),
]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(script), "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tree)
    return tree


def test_the_floors_hold(house: Path) -> None:
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("path", "text", "contract"), PLANTED, ids=lambda value: str(value)[:40])
def test_a_planted_import_turns_it_red(house: Path, path: str, text: str, contract: str) -> None:
    planted = house / path
    planted.write_text(text)
    try:
        result = lint_imports(house)
    finally:
        planted.unlink()
    assert result.returncode != 0
    assert any(contract in line and "BROKEN" in line for line in result.stdout.splitlines()), result.stdout

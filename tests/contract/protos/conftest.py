"""Everything here judges the protos as they stand in the tree."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
Buf = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def generator() -> ModuleType:
    """`protos/generate.py`, which is a script and no module of a package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "protos" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of protos, stubs and settings to plant faults in."""
    copytree(ROOT / "protos", tmp_path / "protos", ignore=lambda _folder, _names: {"__pycache__"})
    copytree(ROOT / "paceline" / "api", tmp_path / "paceline" / "api")
    (tmp_path / "buf.yaml").write_text((ROOT / "buf.yaml").read_text())
    return tmp_path


@pytest.fixture
def buf(tmp_path: Path) -> Buf:
    """Runs buf below a folder, with a cache of its own and no network to ask."""

    def run(*arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).parent / "buf"), *arguments],
            cwd=cwd,
            env={"BUF_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run

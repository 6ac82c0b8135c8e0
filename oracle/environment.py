"""Build the oracle's environment: `python -m oracle.environment`; a second run finds it built.

The vendors' SDKs pin packages the product must not have, so they live in `.oracle/`, locked with hashes.
"""

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".oracle"
LOCK = HERE / "requirements.lock"
PYTHON = HOME / "venv" / "bin" / "python"
BUILT = HOME / "venv" / "built-from"
PYTHON_VERSION = "3.11"


def ensure() -> Path:
    """The interpreter of the environment, built first where it is missing or older than its lock file."""
    HOME.mkdir(exist_ok=True)
    with _one_builder_at_a_time():
        if not _is_current():
            _build()
    return PYTHON


def _is_current() -> bool:
    return PYTHON.exists() and BUILT.exists() and BUILT.read_text() == _wanted()


def _wanted() -> str:
    return (
        f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sys.version_info.major}.{sys.version_info.minor}"
    )


def _build() -> None:
    shutil.rmtree(HOME / "venv", ignore_errors=True)
    _uv("venv", "--quiet", "--python", sys.executable, str(HOME / "venv"))
    # The lock names everything needed, so nothing is resolved: --no-deps keeps the SDK's own pins out.
    _uv(
        "pip", "install", "--quiet", "--python", str(PYTHON), "--no-deps", "--require-hashes", "-r", str(LOCK)
    )
    BUILT.write_text(_wanted())


def relock() -> None:
    """Resolve the newest packages the SDKs run on, and write versions and hashes down."""
    _uv(
        *("pip", "compile", "--quiet", "--universal", "--python-version", PYTHON_VERSION, "--upgrade"),
        *("--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"),
        *("--override", str(HERE / "overrides.txt"), "--output-file", str(LOCK)),
        str(HERE / "requirements.in"),
    )


def _uv(*arguments: str) -> None:
    subprocess.run([_uv_program(), *arguments], check=True)  # noqa: S603 - our own fixed arguments


def _uv_program() -> str:
    """The one that made the product's own environment, else whichever this machine has."""
    known = (Path(sys.executable).parent / "uv", HERE.parent / ".make" / "uv" / "bin" / "uv")
    found = next((str(uv) for uv in known if uv.exists()), shutil.which("uv"))
    if found is None:
        raise SystemExit("building .oracle/ needs uv: run `make setup`, or put uv on the PATH")
    return found


@contextmanager
def _one_builder_at_a_time() -> Iterator[None]:
    with (HOME / "building").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lock", action="store_true", help="resolve again and rewrite requirements.lock")
    if options.parse_args().lock:
        relock()
    ensure()


if __name__ == "__main__":
    main()

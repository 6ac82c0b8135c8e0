"""Generates `paceline/api/v1` from the protos.

    python protos/generate.py            writes the stubs
    python protos/generate.py --check    writes nothing; exits 1 when the stubs are not what the protos say
    python protos/generate.py --release  writes the image that breaking changes are judged against

Proto path, proto package and Python path are one name, so what comes out is used as it is.
"""  # noqa: INP001 - a script beside the protos, no package

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
ROOT = PROTOS.parent
PACKAGE = Path("paceline/api/v1")
IMAGE = PROTOS / "released.binpb"
TOOLS = Path(sys.executable).parent
TYPED_AS = "quiet,only_async,generate_concrete_servicer_stubs"
"""Asynchronous as the house is; a servicer may leave methods out, which then answer UNIMPLEMENTED."""


def main() -> int:
    options = _options()
    if options.release:
        _run([str(TOOLS / "buf"), "build", "--exclude-source-info", "--output", str(IMAGE)], cwd=ROOT)
        return 0
    if not options.check:
        _discard_stubs(ROOT)
        generate(ROOT)
        return 0
    drifted = list(drift(ROOT))
    for name in drifted:
        sys.stderr.write(f"{name} is not what the protos say\n")
    if drifted:
        sys.stderr.write("run: make proto\n")
    return 1 if drifted else 0


def generate(into: Path, protos: Path = PROTOS) -> None:
    """Writes the stubs of every proto below `into`, which must exist."""
    sources = sorted((protos / PACKAGE).glob("*.proto"))
    _protoc(into, protos, sources, plugins=("python_out=", "mypy_out=quiet:"))
    serving = [source for source in sources if "\nservice " in source.read_text()]
    _protoc(into, protos, serving, plugins=("grpc_python_out=", f"mypy_grpc_out={TYPED_AS}:"))


def _protoc(into: Path, protos: Path, sources: list[Path], plugins: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={protos}"]
    well_known = f"--proto_path={files('grpc_tools').joinpath('_proto')}"
    outputs = [f"--{plugin}{into}" for plugin in plugins]
    _run(
        [*command, well_known, *outputs, *(str(source.relative_to(protos)) for source in sources)], cwd=protos
    )


def drift(root: Path, protos: Path = PROTOS) -> Iterator[str]:
    """Names of stubs below `root` that are missing, left over, or differ from what the protos say."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch), protos)
        fresh, committed = _stubs(Path(scratch)), _stubs(root)
        for name in sorted(fresh.keys() | committed.keys()):
            both = name in fresh and name in committed
            if not both or not filecmp.cmp(fresh[name], committed[name], shallow=False):
                yield str(PACKAGE / name)


def _stubs(root: Path) -> dict[str, Path]:
    return {path.name: path for path in (root / PACKAGE).glob("*_pb2*.py*")}


def _discard_stubs(root: Path) -> None:
    for stub in _stubs(root).values():
        stub.unlink()


def _run(command: list[str], cwd: Path) -> None:
    path = f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(command, cwd=cwd, env={**os.environ, "PATH": path}, check=True)  # noqa: S603 - our own tools


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="compare only; exit 1 on drift")
    choice.add_argument("--release", action="store_true", help="write the image of a release")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

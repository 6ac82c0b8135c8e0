"""Style is a test: what a reader would stumble over is refused here."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 60
GENERATED = ("paceline/api/",)

AMBIENT = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "monotonic"),
    ("time", "monotonic_ns"),
    ("time", "sleep"),
}
PROMISES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/\w")


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    names = [name for name in listing if name and not name.startswith(GENERATED)]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def sources() -> list[Path]:
    return tracked("*.py")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def ambient_calls(text: str) -> list[str]:
    """Calls that read the clock of the machine instead of the one handed in."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        name = (
            owner.id
            if isinstance(owner, ast.Name)
            else owner.attr
            if isinstance(owner, ast.Attribute)
            else ""
        )
        if (name, node.func.attr) in AMBIENT:
            found.append(f"{node.lineno}: {name}.{node.func.attr}")
    return found


def test_files_hold_one_idea() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := path.read_text().count("\n")) > FILE_LINES_MAX
    }
    assert long == {}


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(ast.parse(path.read_text()))
        if (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_the_domain_reads_no_clock() -> None:
    found = {
        str(path.relative_to(ROOT)): calls
        for path in tracked("paceline/domain/*.py", "paceline/domain/**/*.py")
        if (calls := ambient_calls(path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "planted",
    ["import datetime\nx = datetime.datetime.now()", "from datetime import datetime\nx = datetime.now()"],
)
def test_a_planted_clock_is_seen(planted: str) -> None:
    assert ambient_calls(planted) == ["2: datetime.now"]


def test_no_promises_are_left_in_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked("*.py", "*.proto", "*.sql", "*.yaml", "Makefile")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PROMISES.search(line)
    ]
    assert found == []


def test_no_path_of_a_machine_is_committed() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked(
            "*.py", "*.md", "*.toml", "*.yaml", "*.yml", "*.sh", "Makefile", "*.proto", "*.sql"
        )
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


def test_no_service_waits_on_a_fixed_sleep() -> None:
    """Loops pass through the clock; `asyncio.sleep(n)` in a service hides a wait for a condition."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in tracked("services/*.py", "services/**/*.py", "paceline/domain/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "asyncio.sleep"
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]
    assert found == []

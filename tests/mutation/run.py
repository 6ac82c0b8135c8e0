"""The mutation run over the rules: what no type check and no test notices is listed.

mutmut makes the mutants; one run of mypy over all of them marks those that could never be committed; the
others are tried in forks (`forks.py`) on the unit tests of the domain that reach them. What survived an
earlier run is tried again, the rest only where a function changed. Run as `make mutate`; the report is what
it prints, and `mutmut show` and `mutmut browse` know the verdicts.
"""

import ast
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

MUTANTS = Path("mutants")
MADE_BY_TOOL = ("no-redef", "no-any-return")
"""Type errors of the arrangement of mutants beside each other, not of a mutant."""
TYPES = [
    *("--config-file=", "--strict", "--output=json", "--no-incremental", "--no-warn-unused-ignores"),
    *(f"--disable-error-code={code}" for code in MADE_BY_TOOL),
]
SURVIVED, UNREACHED, ILL_TYPED = 0, 33, 37
MAKE = """
from mutmut.__main__ import Path, copy_also_copy_files, copy_src_dir, create_mutants

Path("mutants").mkdir(exist_ok=True)
copy_src_dir()
copy_also_copy_files()
create_mutants(1)
"""
TRY = ["-q", "-s", "-p", "tests.mutation.forks", "-p", "no:cacheprovider", "-p", "no:xdist"]
BRIEF = ["--hypothesis-profile=brief", "--hypothesis-seed=1", "tests/unit/domain"]
HISTORIES = {"PACELINE_LAW_HISTORIES": "12"}


def main() -> int:
    """Exit 0 when measured, whatever survived."""
    subprocess.run([sys.executable, "-c", MAKE], stdout=subprocess.DEVNULL, check=True)
    _try_again()
    _mark_what_is_ill_typed()
    path = {"PYTHONPATH": str(MUTANTS.absolute())}
    subprocess.run(
        [_beside_python("pytest"), *TRY, *BRIEF], cwd=MUTANTS, env=os.environ | HISTORIES | path, check=True
    )
    for line in report(verdicts()):
        print(line)  # noqa: T201
    return 0


def _beside_python(tool: str) -> str:
    return str(Path(sys.executable).with_name(tool))


def _metas() -> Iterator[Path]:
    return MUTANTS.rglob("*.py.meta")


def _try_again() -> None:
    """What survived may fall to a test that was written since."""
    for meta in _metas():
        told = json.loads(meta.read_text(encoding="utf-8"))
        codes = told["exit_code_by_key"]
        told["exit_code_by_key"] = {
            name: None if code in (SURVIVED, UNREACHED) else code for name, code in codes.items()
        }
        meta.write_text(json.dumps(told, indent=4), encoding="utf-8")


def _mark_what_is_ill_typed() -> None:
    command = [_beside_python("mypy"), *TYPES, "-p", "paceline.domain"]
    told = subprocess.run(command, cwd=MUTANTS, capture_output=True, text=True, check=False).stdout
    lines: dict[str, set[int]] = defaultdict(set)
    for error in (json.loads(line) for line in told.splitlines() if line.strip()):
        if error["severity"] == "error":
            lines[error["file"]].add(error["line"])
    for file, wrong in lines.items():
        meta = MUTANTS / f"{file}.meta"
        known = json.loads(meta.read_text(encoding="utf-8"))
        for name, (first, last) in _spans(MUTANTS / file).items():
            full = f"{file.removesuffix('.py').replace('/', '.')}.{name}"
            if full in known["exit_code_by_key"] and any(first <= line <= last for line in wrong):
                known["exit_code_by_key"][full] = ILL_TYPED
        meta.write_text(json.dumps(known, indent=4), encoding="utf-8")


def _spans(file: Path) -> Mapping[str, tuple[int, int]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name: (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def verdicts() -> Mapping[str, Mapping[str, int | None]]:
    """By module, by name of the mutant: how its run ended."""
    found = {
        str(meta.relative_to(MUTANTS)).removesuffix(".meta"): json.loads(meta.read_text(encoding="utf-8"))
        for meta in sorted(_metas())
    }
    return {file: told["exit_code_by_key"] for file, told in found.items() if told["exit_code_by_key"]}


def report(found: Mapping[str, Mapping[str, int | None]]) -> Iterator[str]:
    yield "| module | mutants | ill-typed | killed | survived | not tried | noticed | by tests alone |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    total: Counter[str] = Counter()
    for file, codes in found.items():
        count = Counter(map(_verdict, codes.values()))
        total += count
        yield _row(f"`{file.removeprefix('paceline/domain/').removesuffix('.py')}`", count)
    yield _row("all", total)
    yield ""
    for file, codes in found.items():
        lives = [name.rpartition(".")[2] for name, code in codes.items() if _verdict(code) == "survived"]
        yield from _differences(MUTANTS / file, lives)


def _verdict(code: int | None) -> str:
    if code is None:
        return "untried"
    return {SURVIVED: "survived", UNREACHED: "survived", ILL_TYPED: "types"}.get(code, "tests")


def _row(name: str, count: Counter[str]) -> str:
    """The last share is of what types let through."""
    by_tests = count["tests"] + count["survived"]
    tried = by_tests + count["types"] if by_tests else 0
    shares = (_share(count["types"] + count["tests"], tried), _share(count["tests"], by_tests))
    cells = [count.total(), *(count[each] for each in ("types", "tests", "survived", "untried")), *shares]
    return f"| {name} | {' | '.join(map(str, cells))} |"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _differences(file: Path, lives: list[str]) -> Iterator[str]:
    """What is another line in each mutant that lives, beside the line it was."""
    source, spans = file.read_text(encoding="utf-8").splitlines(), _spans(file)
    for name in lives:
        function = name.rpartition("__mutmut_")[0]
        first, last = spans[f"{function}__mutmut_orig"]
        mine, end = spans[name]
        was, now = source[first : last + 1], source[mine : end + 1]
        gone = " / ".join(line.strip() for line in was if line not in now)
        new = " / ".join(line.strip() for line in now if line not in was)
        yield f"{file.relative_to(MUTANTS)} {name}: {gone} -> {new}"


if __name__ == "__main__":
    sys.exit(main())

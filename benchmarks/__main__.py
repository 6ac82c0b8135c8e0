"""What Paceline and its parts cost on this machine, each beside its lower bound.

python -m benchmarks                     # all of them, as a table
python -m benchmarks fanout --followers 1000 --json fanout.json
python -m benchmarks plan journal --json -
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import fanout, parts, risk_pass
from benchmarks.report import Result
from paceline.cli.output import STDOUT, write_json

_UNMEASURED = 1


def risk(rounds: int, seed: int) -> Result:
    """As `benchmarks.risk_pass`, in the common form."""
    document = asyncio.run(risk_pass.run((10_000, 100_000), 10, rounds, seed))
    passes = {accounts: times["p50"] for accounts, times in document["figures"]["pass_ms"].items()}
    bare = {accounts: times["p50"] for accounts, times in document["lower_bound"]["bare_ms"].items()}
    return Result(
        name=document["name"],
        seed=seed,
        rounds=rounds,
        figures=document["figures"],
        lower_bound=document["lower_bound"],
        ratio=document["ratio"],
        bar=document["bar"],
        met=document["met"],
        headline=", ".join(f"{int(accounts):,} accounts {took:.1f} ms" for accounts, took in passes.items()),
        floor="arithmetic " + ", ".join(f"{took:.1f} ms" for took in bare.values()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - _BENCHMARKS.keys():
        parser.error(
            f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(_BENCHMARKS)}"
        )
    console = Console(stderr=asked.json == STDOUT, highlight=False)
    results = []
    for name in asked.names or _BENCHMARKS:
        console.print(f"[dim]·[/dim] measuring {name}")
        try:
            results.append(_BENCHMARKS[name](asked))
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other figures are still wanted
            console.print(f"[red]{name} could not be measured: {type(problem).__name__}: {problem}[/red]")
    console.print(_table(results))
    documents = [result.as_json() for result in results]
    write_json(asked.json, documents[0] if len(documents) == 1 else {"benchmarks": documents})
    return 0 if len(results) == len(asked.names or _BENCHMARKS) else _UNMEASURED


_BENCHMARKS: dict[str, Callable[[Any], Result]] = {
    "fanout": lambda asked: fanout.run(asked.followers, asked.rounds, asked.seed),
    "plan": lambda asked: parts.plan(1_000, asked.rounds, asked.seed),
    "journal": lambda asked: parts.journal(asked.rounds, asked.seed),
    "risk-pass": lambda asked: risk(asked.rounds, asked.seed),
    "simulator": lambda asked: parts.simulator(asked.seconds, asked.seed),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(_BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{names}; all of them by default")
    parser.add_argument("--followers", type=int, default=200, help="of the fan-out")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load on the simulator")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", help="write the results there; - is standard output, and nothing else is")
    return parser


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for name in ("benchmark", "measured", "lower bound", "ratio", "bar", "met"):
        table.add_column(name)
    for each in results:
        met = "-" if each.met is None else "yes" if each.met else "[red]no[/red]"
        table.add_row(each.name, each.headline, each.floor, _short(each.ratio), _short(each.bar), met)
    return table


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(_short(each) for each in value.values())
    return f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())

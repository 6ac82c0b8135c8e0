"""What Paceline and its parts cost on this machine, each beside its lower bound in one run."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import options
from benchmarks.options import ROUNDS, SEED, Option
from benchmarks.report import Result
from paceline.cli.output import STDOUT, write_json

_UNMEASURED = 1
_INTERRUPTED = 130
_EXAMPLES = """examples:
  paceline bench                                   all of them, as a table
  paceline bench feed --sessions 1000 --json feed.json
  paceline bench plan journal --json -             nothing but JSON on standard output
"""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`module` has a `run` that takes the options by their names, and the seed."""

    about: str
    takes: Sequence[Option]
    module: str

    def run(self, asked: Mapping[str, Any]) -> Result:
        """With its own defaults for what was not asked. Loaded only now: a refused name costs no numpy."""
        measure = import_module(f"benchmarks.{self.module}").run
        given = {
            option.parameter: option.default if asked[option.name] is None else asked[option.name]
            for option in (*self.takes, SEED)
        }
        result: Result = measure(**given)
        return result


BENCHMARKS = {
    "fanout": Benchmark(
        "a leader's fill to the last of his followers' orders",
        (options.FOLLOWERS, options.DELAYS, ROUNDS),
        "fanout",
    ),
    "first-order": Benchmark(
        "a leader's fill to the first of his followers' orders", (options.CROWDS, ROUNDS), "first_order"
    ),
    "sustained": Benchmark(
        "copies a second of many leaders at once",
        (options.LEADERS, options.FOLLOWERS_EACH, options.STEADY),
        "sustained",
    ),
    "growth": Benchmark("the time of a fan-out by followers", (options.GROWING, ROUNDS), "growth"),
    "feed": Benchmark(
        "one feed process: sessions live, events a second, recovery, memory",
        (options.SESSIONS, options.LOAD),
        "feed",
    ),
    "plan": Benchmark("deciding for every subscription", (options.SUBSCRIPTIONS, ROUNDS), "plan"),
    "journal": Benchmark("events in group commits", (ROUNDS,), "journal"),
    "risk-pass": Benchmark("re-pricing everyone", (options.ACCOUNTS, options.POSITIONS, ROUNDS), "risk_pass"),
    "liquidation": Benchmark(
        "a price that falls through the last line to the last of the followers' sales",
        (options.FOLLOWERS, options.FALLS),
        "liquidation",
    ),
    "clients": Benchmark(
        "HTTP clients over warm connections, beside bytes alone",
        (options.FOLLOWERS, options.DELAYS, ROUNDS),
        "clients",
    ),
    "baskets": Benchmark(
        "slices of an order, one by one and as baskets",
        (replace(options.FOLLOWERS, default=100), options.DELAYS, ROUNDS),
        "baskets",
    ),
    "simulator": Benchmark("the broker that everything is measured against", (options.LOAD,), "simulated"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything asked for was measured, met or not; 1 when not; 2 for what cannot be asked."""
    names, given, json_file = _asked(arguments)
    console = Console(stderr=json_file == STDOUT, highlight=False)
    results = []
    for name in names:
        console.print(f"[dim]·[/dim] measuring {name}")
        try:
            results.append(BENCHMARKS[name].run(given))
        except KeyboardInterrupt:
            console.print("[dim]·[/dim] ended before it was measured")
            return _INTERRUPTED
        except Exception as problem:  # noqa: BLE001 - whatever it is, the other figures are still wanted
            words = escape(f"{type(problem).__name__}: {problem}")
            console.print(f"[red]{name} could not be measured: {words}[/red]")
    if results:
        console.print(_table(results))
    documents = [result.as_json() for result in results]
    if len(names) == 1 and documents:
        write_json(json_file, documents[0])
    elif documents:
        write_json(json_file, {"benchmarks": documents})
    return 0 if len(results) == len(names) else _UNMEASURED


def _asked(arguments: Sequence[str] | None) -> tuple[list[str], dict[str, Any], str | None]:
    """Names, the options as asked, and where the JSON goes; what makes no sense ends the program."""
    parser = _parser()
    asked = {flag.replace("_", "-"): value for flag, value in vars(parser.parse_args(arguments)).items()}
    names = list(dict.fromkeys(asked.pop("names"))) or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    json_file = asked.pop("json")
    taken = {option.name for name in names for option in BENCHMARKS[name].takes} | {SEED.name}
    if stray := [name for name, value in asked.items() if value is not None and name not in taken]:
        parser.error(f"--{stray[0]} is no option of {', '.join(names)}")
    return names, asked, json_file


def _all_options() -> list[Option]:
    found = {option.name: option for each in BENCHMARKS.values() for option in each.takes}
    return [*found.values(), SEED]


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, BENCHMARKS))
    listed = "\n".join(f"  {name:<{width}}  {each.about}" for name, each in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="paceline bench",
        usage="paceline bench [NAME ...] [options]",
        description=f"{__doc__}\n\nnames (all of them by default):\n{listed}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="as above")
    for option in _all_options():
        words = f"{option.about} ({_who_takes(option)})"
        parser.add_argument(option.flag, type=option.read, metavar="N", help=words)
    parser.add_argument(
        "--json", metavar="FILE", help="write the results there; - is standard output, and nothing else is"
    )
    return parser


def _who_takes(option: Option) -> str:
    """Names and defaults."""
    by_default: dict[str, list[str]] = {}
    for name, each in BENCHMARKS.items():
        for one in each.takes:
            if one.name == option.name:
                by_default.setdefault(_listed(one.default), []).append(name)
    by_default = by_default or {_listed(option.default): ["all"]}
    return "; ".join(f"{', '.join(names)}: {default}" for default, names in by_default.items())


def _listed(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


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

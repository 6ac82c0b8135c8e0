"""Loads `queries.sql`: one named, described block per query."""

import re
from functools import cache
from pathlib import Path

_HEADER = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)$", re.MULTILINE)
_used: set[str] = set()


def sql(name: str) -> str:
    """The text of a query; called once per query, where a module that sends it is imported."""
    text = everything()[name]
    _used.add(name)
    return text


@cache
def everything() -> dict[str, str]:
    return parse((Path(__file__).parent / "queries.sql").read_text("utf-8"))


def unused() -> frozenset[str]:
    """Names that no module imported so far has asked for."""
    return frozenset(everything().keys() - _used)


def parse(text: str) -> dict[str, str]:
    """Refuses what is said twice, not described, or empty."""
    preamble, *rest = _HEADER.split(text)
    if any(line and not line.startswith("--") for line in preamble.splitlines()):
        raise ValueError("queries.sql: SQL before the first name")
    found: dict[str, str] = {}
    for name, block in zip(rest[::2], rest[1::2], strict=True):
        if name in found:
            raise ValueError(f"queries.sql: {name} stands there twice")
        found[name] = _described(name, block)
    return found


def _described(name: str, block: str) -> str:
    lines = block.strip().splitlines()
    if not lines or not lines[0].startswith("-- "):
        raise ValueError(f"queries.sql: {name} lacks its description")
    query = "\n".join(line for line in lines if not line.startswith("--")).strip().removesuffix(";")
    if not query:
        raise ValueError(f"queries.sql: {name} is empty")
    return query

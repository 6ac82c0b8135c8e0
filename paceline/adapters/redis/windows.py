"""A broker's windows as the numbers the bucket scripts take; pure."""

from dataclasses import dataclass
from functools import cache

from paceline.adapters.redis import keys
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, LimitScope, Window
from paceline.ports.buckets import ENTRY_SHARE_PERCENT, LONG_WINDOW_MS

SUB_WINDOWS = 24
"""Windows longer than a minute are counted in this many parts, rounded to the safe side."""

_BITS = {call: 1 << n for n, call in enumerate(Call)}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the windows of one broker are counted, and by which rules."""

    short: tuple[Window, ...]
    long: tuple[Window, ...]
    groups: tuple[frozenset[Call], ...]
    """Short windows that count the same calls share one list of send times."""
    constants: str
    """What stands before the take script."""
    list_keep: tuple[int, ...]
    list_lifetime_ms: tuple[int, ...]
    parts: tuple[tuple[int, int], ...]
    """Of each long window: length of a part in µs, and how many parts an interval may touch."""
    lifetime_ms: int

    def name_of(self, number: int) -> str:
        """Of what the script says refused."""
        return "penalty" if number == 0 else (*self.short, *self.long)[number - 1].name

    def take_keys(self, account: AccountId) -> tuple[str, ...]:
        return (
            keys.bucket(account, "penalty"),
            keys.bucket(account, "since"),
            *self.store_keys(account),
        )

    def store_keys(self, account: AccountId) -> tuple[str, ...]:
        hashes = (keys.bucket(account, "count:" + window.name) for window in self.long)
        return (*self.list_keys(account), *hashes)

    def list_keys(self, account: AccountId) -> tuple[str, ...]:
        return tuple(keys.bucket(account, "sent:" + "+".join(sorted(group))) for group in self.groups)


def bit_of(call: Call) -> int:
    return _BITS[call]


@cache
def layout_of(windows: tuple[Window, ...], jitter_ms: int) -> Layout:
    """Of the windows that hold for an account; those of other scopes are somebody else's to keep."""
    mine = [window for window in windows if window.scope is LimitScope.ACCOUNT]
    short = tuple(window for window in mine if window.period_ms <= LONG_WINDOW_MS)
    long = tuple(window for window in mine if window.period_ms > LONG_WINDOW_MS)
    groups = tuple(dict.fromkeys(window.counts for window in short))
    parts = tuple(_parts(window, jitter_ms) for window in long)
    lifetimes = [
        max(window.period_ms + jitter_ms for window in short if window.counts == group) for group in groups
    ]
    lifetime_ms = max([*lifetimes, *(part * touched // 1000 for part, touched in parts)], default=1)
    keeps = [max(window.calls for window in short if window.counts == group) for group in groups]
    return Layout(
        short=short,
        long=long,
        groups=groups,
        constants=";\n".join(
            (
                f"local lifetime_ms = {lifetime_ms}",
                _table("lists", [_list_row(*row) for row in zip(groups, keeps, lifetimes, strict=True)]),
                _table("short", [_short_row(window, groups, jitter_ms) for window in short]),
                _table("long", [_long_row(*row) for row in zip(long, parts, strict=True)]),
            )
        ),
        list_keep=tuple(keeps),
        list_lifetime_ms=tuple(lifetimes),
        parts=parts,
        lifetime_ms=lifetime_ms,
    )


def entry_calls(window: Window) -> int:
    """What entries may use of it."""
    return window.calls * ENTRY_SHARE_PERCENT // 100 if window.period_ms >= LONG_WINDOW_MS else window.calls


def _table(name: str, rows: list[dict[str, int]]) -> str:
    texts = ("{" + ", ".join(f"{key} = {value}" for key, value in row.items()) + "}" for row in rows)
    return f"local {name} = {{{', '.join(texts)}}}"


def _list_row(group: frozenset[Call], keep: int, lifetime_ms: int) -> dict[str, int]:
    return {
        "kinds": _kinds(group),
        "keep": keep,
        "longest": lifetime_ms * 1000,
        "lifetime_ms": lifetime_ms,
    }


def _short_row(window: Window, groups: tuple[frozenset[Call], ...], jitter_ms: int) -> dict[str, int]:
    return {
        "list": groups.index(window.counts) + 1,
        "kinds": _kinds(window.counts),
        "period": (window.period_ms + jitter_ms) * 1000,
        "calls": window.calls,
        "entries": entry_calls(window),
    }


def _long_row(window: Window, part: tuple[int, int]) -> dict[str, int]:
    part_us, touched = part
    return {
        "kinds": _kinds(window.counts),
        "sub": part_us,
        "touched": touched,
        "calls": window.calls,
        "entries": entry_calls(window),
        "lifetime_ms": part_us * (touched + 1) // 1000 + 1,
    }


def _parts(window: Window, jitter_ms: int) -> tuple[int, int]:
    part_us = max(1, window.period_ms * 1000 // SUB_WINDOWS)
    interval_us = (window.period_ms + jitter_ms) * 1000
    return part_us, -(-interval_us // part_us) + 1


def _kinds(calls: frozenset[Call]) -> int:
    return sum(_BITS[call] for call in calls)

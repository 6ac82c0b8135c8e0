"""What one data-socket connection follows, in which channels and mode, and what it was told last."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from simulator.fyers import hsm
from simulator.fyers.ticks import name_of, values_of
from simulator.fyers.topics import Feed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.fyers.topics import Topic
    from simulator.market import Market


@dataclass(slots=True)
class Followed:
    topic: Topic
    topic_id: int
    channels: set[int] = field(default_factory=set)
    told: list[int] | None = None
    """The values sent last; None while the snapshot is due."""


class Following:
    """Pure: turns requests and market moves into the records that are due."""

    def __init__(self) -> None:
        self._by_name: dict[str, Followed] = {}
        self._by_symbol: dict[str, list[Followed]] = {}
        self._ids = count(1)
        self._lite: set[int] = set()
        self._paused: set[int] = set()

    def symbols(self) -> Iterator[str]:
        return iter(self._by_symbol)

    def follows(self, symbol: str) -> bool:
        return symbol in self._by_symbol

    def subscribe(self, topics: Iterable[Topic], channel: int) -> None:
        for topic in topics:
            followed = self._by_name.get(topic.name)
            if followed is None:
                followed = self._by_name[topic.name] = Followed(topic, next(self._ids))
                self._by_symbol.setdefault(topic.instrument.symbol, []).append(followed)
            followed.channels.add(channel)
            followed.told = None

    def unsubscribe(self, names: Iterable[str], channel: int) -> None:
        for name in names:
            followed = self._by_name.get(name)
            if followed is None:
                continue
            followed.channels.discard(channel)
            if not followed.channels:
                self._forget(followed)

    def _forget(self, followed: Followed) -> None:
        del self._by_name[followed.topic.name]
        siblings = self._by_symbol[followed.topic.instrument.symbol]
        siblings.remove(followed)
        if not siblings:
            del self._by_symbol[followed.topic.instrument.symbol]

    def set_mode(self, mode: hsm.Mode, channels: frozenset[int]) -> None:
        if mode is hsm.Mode.LITE:
            self._lite |= channels
        else:
            self._lite -= channels

    def pause(self, channels: frozenset[int]) -> None:
        self._paused |= channels

    def resume(self, channels: frozenset[int]) -> None:
        self._paused -= channels

    def due(self, symbol: str, market: Market) -> Iterator[bytes]:
        """The records that bring the client from what it was told to what is."""
        for followed in self._by_symbol.get(symbol, ()):
            live = followed.channels - self._paused
            if live:
                record = _record(followed, values_of(followed.topic, market), lite=live <= self._lite)
                if record is not None:
                    yield record


def _record(followed: Followed, now: list[int], *, lite: bool) -> bytes | None:
    told = followed.told
    if told is None:
        followed.told = now
        return hsm.snapshot_record(name_of(followed.topic, followed.topic_id), now)
    if lite:
        return _lite_record(followed, told, now)
    if told == now:
        return None
    followed.told = now
    return hsm.update_record(followed.topic_id, hsm.changes(told, now))


def _lite_record(followed: Followed, told: list[int], now: list[int]) -> bytes | None:
    if followed.topic.feed is Feed.DEPTH or told[0] == now[0]:
        return None
    told[0] = now[0]
    return hsm.lite_record(followed.topic_id, now[0])

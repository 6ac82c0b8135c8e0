"""Domain values as JSON documents, by their type hints: decimals as strings, sets in order, enumerations by
value.
"""

import dataclasses
import types
from collections.abc import Callable, Hashable, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

Converter = Callable[[Any], Any]


_KNOWN: dict[type, Converter] = {}
_PLAIN = frozenset({str, int, bool, float, type(None), dict})


def to_json(value: object) -> Any:
    """What `from_json` of the same type reads back unchanged."""
    kind = type(value)
    return value if kind in _PLAIN else (_KNOWN.get(kind) or _known(kind))(value)


def from_json(kind: type[T], document: Any) -> T:
    """Fields that the document lacks take their defaults: an older row still reads."""
    return cast(T, _reader(cast(Hashable, kind))(document))


def _known(kind: type) -> Converter:
    write = _KNOWN[kind] = _writer(kind)
    return write


def _writer(kind: Any) -> Converter:
    if dataclasses.is_dataclass(kind):
        return _record_writer(tuple(field.name for field in dataclasses.fields(kind)))
    for base, write in _WRITERS.items():
        if issubclass(kind, base):
            return write
    raise TypeError(f"{kind.__name__} has no form in JSON")


def _record_writer(names: Sequence[str]) -> Converter:
    """Written for every event of every session: one look at all fields, and none at what is plain."""
    if len(names) <= 1:  # of one name `attrgetter` makes no tuple
        return lambda value: {name: to_json(getattr(value, name)) for name in names}
    fields = attrgetter(*names)

    def write(value: object) -> dict[str, Any]:
        return {
            name: each if type(each) in _PLAIN else to_json(each)
            for name, each in zip(names, fields(value), strict=True)
        }

    return write


def _same(value: Any) -> Any:
    return value


def _write_set(value: frozenset[Any]) -> list[Any]:
    return sorted(to_json(item) for item in value)


_WRITERS: dict[type, Converter] = {
    Decimal: str,
    Enum: lambda value: value.value,
    date: lambda value: value.isoformat(),
    frozenset: _write_set,
    tuple: lambda value: [to_json(item) for item in value],
}


@cache
def _reader(kind: Any) -> Converter:
    if isinstance(kind, NewType):
        return _reader(kind.__supertype__)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _optional(kind)
    if origin in (tuple, frozenset):
        item = _reader(get_args(kind)[0])
        return lambda document: origin(item(each) for each in document)
    if dataclasses.is_dataclass(kind):
        return _record(cast(type, kind))
    if kind is Decimal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return cast(Converter, kind)
    return date.fromisoformat if kind is date else _same


def _optional(kind: Any) -> Converter:
    (inner,) = (each for each in get_args(kind) if each is not type(None))
    read = _reader(inner)
    return lambda document: None if document is None else read(document)


def _record(kind: type) -> Converter:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}

    def read(document: dict[str, Any]) -> Any:
        return kind(**{name: read(document[name]) for name, read in readers.items() if name in document})

    return read

"""Reading fields strictly: what breaks a rule is refused with the path of its field."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from paceline.domain.errors import Invalid, Problem

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M")
T = TypeVar("T")


def required(text: str, field: str) -> str:
    """A text that must not be empty."""
    if not text:
        raise Invalid(field, "must be set")
    return text


def only(wire: "Message", supported: frozenset[str]) -> None:
    """Nothing else may be set: what a release does not heed yet is refused instead of being forgotten."""
    for descriptor, _ in wire.ListFields():
        if descriptor.name not in supported:
            raise Invalid(descriptor.name, "is not supported yet")


def within(field: str, read: Callable[[M], T], wire: M) -> T:
    """Read a part of a message; its problems are told by their path from the whole."""
    try:
        return read(wire)
    except Invalid as error:
        raise nested(error, field) from None


def each(field: str, read: Callable[[M], T], wires: Iterable[M]) -> tuple[T, ...]:
    """Read a repeated field; a problem names the index of its element."""
    done: list[T] = []
    try:
        for wire in wires:
            done.append(read(wire))  # noqa: PERF401 - how far it came is the index that a problem names
    except Invalid as error:
        raise nested(error, f"{field}[{len(done)}]") from None
    return tuple(done)


def nested(error: Invalid, field: str) -> Invalid:
    """The same problems, seen from one level above."""
    return Invalid.of(Problem(f"{field}.{problem.field}", problem.rule) for problem in error.problems)

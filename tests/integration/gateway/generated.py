"""Messages of any kind, made from their descriptors: mostly odd, sometimes right."""

from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from paceline.adapters.wire.pages import next_page_token

SECRET = "planted-secret-word"
SECRET_FIELDS = frozenset(
    {
        *("access_token", "refresh_token", "pin", "totp_secret", "api_key", "api_secret", "passphrase"),
        *("app_secret", "auth_code", "totp"),
    }
)
_DEPTH_MAX = 4
_INT_KINDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_ODD_TEXTS = (
    *("\0", "NaN", "-0", "1e999", "'; DROP TABLE accounts; --", "{", "%s", "../..", "\u202e", "a" * 600),
    *("0.5", "1", "-1", "100", "0", "9" * 64, "0." + "0" * 61 + "1", "10.0.0.1", "https://example.com"),
    *("create_time desc", "account_id", "[1,2]", '["2026-01-01T00:00:00", "x"]', "[9999999999999999999]"),
)
_MARKS = ("", "x", "\0", "[]", "[1]", '["a"]', '[1,"a"]', '["a","b","c"]', '["9999-12-31T23:59:59","x"]', "{")


def messages(kind: type[Message], names: tuple[str, ...]) -> st.SearchStrategy[Message]:
    """Texts are often one of `names`, which exist."""
    return _filled(cast(Descriptor, kind.DESCRIPTOR), names, _DEPTH_MAX).flatmap(_with_token)


def mutations(base: Message, names: tuple[str, ...]) -> st.SearchStrategy[Message]:
    """The right message with one or two fields of it, at any depth, made odd."""

    @st.composite
    def mutated(draw: st.DrawFn) -> Message:
        changed = type(base)()
        changed.CopyFrom(base)
        for _ in range(draw(st.integers(0, 2))):
            _mutate(draw, changed, names, _DEPTH_MAX)
        return changed

    return mutated()


def _mutate(draw: st.DrawFn, message: Message, names: tuple[str, ...], depth: int) -> None:
    descriptor = cast(Descriptor, message.DESCRIPTOR)
    if not descriptor.fields:
        return
    field = draw(st.sampled_from(list(descriptor.fields)))
    deeper = field.message_type is not None and not field.is_repeated
    if deeper and depth and draw(st.booleans()):
        _mutate(draw, getattr(message, field.name), names, depth - 1)
        return
    value = draw(_values(field, names, depth))
    message.ClearField(field.name)
    if value is not None:
        message.MergeFrom(type(message)(**{field.name: value}))


def _with_token(request: Message) -> st.SearchStrategy[Message]:
    if "page_token" not in request.DESCRIPTOR.fields_by_name:
        return st.just(request)

    def marked(mark: str) -> Message:
        copy = type(request)()
        copy.CopyFrom(request)
        setattr(copy, "page_token", next_page_token(copy, mark))  # noqa: B010 - no common type
        return copy

    return st.one_of(st.just(request), st.sampled_from(_MARKS).map(marked))


def _filled(descriptor: Descriptor, names: tuple[str, ...], depth: int) -> st.SearchStrategy[Message]:
    if descriptor.full_name == FieldMask.DESCRIPTOR.full_name:
        paths = st.sampled_from([*_PATHS, *_ODD_TEXTS])
        return st.lists(paths, max_size=3).map(lambda chosen: FieldMask(paths=chosen))
    kind = GetMessageClass(descriptor)
    parts = {field.name: _values(field, names, depth) for field in descriptor.fields}

    def build(chosen: dict[str, Any]) -> Message:
        return kind(**{name: value for name, value in chosen.items() if value is not None})

    return st.fixed_dictionaries({}, optional=parts).map(build)


def _values(field: FieldDescriptor, names: tuple[str, ...], depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        if depth == 0:
            return st.none()
        one: st.SearchStrategy[Any] = _filled(field.message_type, names, depth - 1)
    else:
        one = _scalars(field, names)
    return st.lists(one, max_size=3) if field.is_repeated else one


def _scalars(field: FieldDescriptor, names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    if field.name in SECRET_FIELDS:
        return st.just(SECRET)
    if field.enum_type is not None:
        numbers = [value.number for value in field.enum_type.values]
        return st.sampled_from([*numbers, 77, -1])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _bytes() if field.type == FieldDescriptor.TYPE_BYTES else _texts(names)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    low, high = _INT_KINDS[field.cpp_type]
    return st.one_of(st.sampled_from([0, 1, 2, 5, 1000, low, high]), st.integers(low, high))


def _texts(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    known = st.sampled_from(names) if names else st.nothing()
    return st.one_of(known, st.sampled_from(_ODD_TEXTS), st.text(max_size=20))


def _bytes() -> st.SearchStrategy[bytes]:
    return st.binary(max_size=20)


_PATHS = (
    *("display_name", "segments", "broker_app_id", "egress", "app_secret", "redirect_uri", "min_lots"),
    *(
        "max_lots",
        "auto_copy",
        "sizing",
        "sizing.value",
        "filters",
        "filters.max_age",
        "caps",
        "mode",
        "style",
    ),
    *("reverse", "filters.allowed", "leader_id", "version", "guards", "sizing.equity_fallback"),
)

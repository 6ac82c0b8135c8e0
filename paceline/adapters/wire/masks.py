"""Updates by field mask."""

from collections.abc import Set
from typing import TYPE_CHECKING, TypeVar, cast

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from paceline.domain.errors import Invalid

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

M = TypeVar("M", bound=Message)


def masked(current: M, patch: M, mask: FieldMask, *, fixed: Set[str]) -> M:
    """The current message with the fields that the mask names taken from the patch, repeated ones whole.

    Both are left as they are. `fixed` are fields of the first level that nobody changes.
    """
    if not mask.paths:
        raise Invalid("update_mask", "must name at least one field")
    for path in mask.paths:
        _check(path, current, fixed)
    changed = type(current)()
    changed.CopyFrom(current)
    mask.MergeMessage(patch, changed, replace_message_field=True, replace_repeated_field=True)
    return changed


def _check(path: str, message: Message, fixed: Set[str]) -> None:
    if path.partition(".")[0] in fixed:
        raise Invalid("update_mask", f"must not name {path}, which cannot be changed")
    if not FieldMask(paths=[path]).IsValidForDescriptor(cast("Descriptor", message.DESCRIPTOR)):
        raise Invalid("update_mask", f"names {path}, which is no field")

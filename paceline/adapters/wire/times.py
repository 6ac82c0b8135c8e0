"""Moments: nanoseconds since 1970 UTC, aware datetimes, and Timestamps."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from paceline.domain.errors import Invalid

_NANOSECONDS = 1_000_000_000
_SECONDS_MAX = 253_402_300_799  # the end of the year 9999, which is where Timestamp ends
_SECONDS_MIN = -62_135_596_800


def timestamp_of_ns(ns: int) -> Timestamp:
    seconds, nanos = divmod(ns, _NANOSECONDS)
    return Timestamp(seconds=seconds, nanos=nanos)


def ns_of_timestamp(wire: Timestamp, field: str) -> int:
    if not (_SECONDS_MIN <= wire.seconds <= _SECONDS_MAX and 0 <= wire.nanos < _NANOSECONDS):
        raise Invalid(field, "must be a moment of the years 1 to 9999")
    return wire.seconds * _NANOSECONDS + wire.nanos


def timestamp_of(moment: datetime) -> Timestamp:
    """Of an aware datetime."""
    wire = Timestamp()
    wire.FromDatetime(moment)
    return wire


def datetime_of(wire: Timestamp, field: str) -> datetime:
    """To the microsecond, in UTC."""
    ns_of_timestamp(wire, field)
    return wire.ToDatetime(tzinfo=UTC)

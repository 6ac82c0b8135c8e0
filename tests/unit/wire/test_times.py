"""Moments keep their nanosecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.wire.times import datetime_of, ns_of_timestamp, timestamp_of, timestamp_of_ns
from paceline.domain.errors import Invalid


@given(st.integers(-(10**18), 4 * 10**18))
def test_nanoseconds_come_back(ns: int) -> None:
    assert ns_of_timestamp(timestamp_of_ns(ns), "time") == ns


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_datetimes_come_back(moment: datetime) -> None:
    assert datetime_of(timestamp_of(moment), "time") == moment


def test_a_zone_is_reckoned_to_utc() -> None:
    ist = timezone(timedelta(hours=5, minutes=30))
    assert datetime_of(timestamp_of(datetime(2026, 1, 1, 9, 15, tzinfo=ist)), "time") == datetime(
        2026, 1, 1, 3, 45, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "wire",
    [Timestamp(nanos=-1), Timestamp(nanos=10**9), Timestamp(seconds=2**40), Timestamp(seconds=-(2**40))],
)
def test_what_is_no_moment_is_refused(wire: Timestamp) -> None:
    with pytest.raises(Invalid, match="start_time: must be a moment"):
        datetime_of(wire, "start_time")

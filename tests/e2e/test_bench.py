"""`paceline bench` as a program runs it, with a handful of sessions."""

import json
from pathlib import Path

import pytest

from tests.e2e.stage import paceline, wait_until

pytestmark = pytest.mark.e2e
FIELDS = {"name", "seed", "machine", "versions", "rounds", "figures", "lower_bound", "ratio", "bar", "met"}
SESSIONS = 5


def test_a_feed_is_measured_and_every_fill_it_counts_is_in_the_brokers_books(tmp_path: Path) -> None:
    arguments = ("feed", "--sessions", str(SESSIONS), "--seconds", "0.3", "--seed", "3", "--json", "-")
    bench = paceline("bench", *arguments, temp=tmp_path / "t")
    try:
        wait_until(lambda: bench.process.poll() is not None, "the bench ends", within_s=180)
        assert bench.wait() == 0, bench.stderr
    finally:
        bench.close()
    result = json.loads(bench.stdout)
    figures = result["figures"]
    assert result.keys() >= FIELDS
    assert (result["name"], result["seed"], figures["sessions"]) == ("feed", 3, SESSIONS)
    assert result["met"] is None  # so few are measured, not judged
    warm_up = figures["fills_booked"] - figures["fills"] - figures["fills_after_cut"]
    assert warm_up == 10
    assert figures["fills_after_cut"] == SESSIONS
    assert 0 <= figures["fills_by_books_alone"] <= SESSIONS
    assert figures["events"] >= 2 * figures["fills"] > 0  # each fill moves its order, too
    assert 0 < figures["live_again_s"] <= figures["recovered_s"]
    assert figures["all_live_s"] > 0
    assert 0 < figures["rss_live_mb"] <= figures["rss_mb"]
    assert result["lower_bound"].keys() == {"bare_connect_s", "bare_rows_per_s"}
    assert bench.left_behind() == []


def test_clients_are_measured_and_ours_knows_what_left(tmp_path: Path) -> None:
    """An order that was taken and never answered is not taken for one that was never sent."""
    arguments = ("clients", "--followers", "3", "--rounds", "1", "--delays", "0", "--json", "-")
    bench = paceline("bench", *arguments, temp=tmp_path / "t")
    try:
        wait_until(lambda: bench.process.poll() is not None, "the bench ends", within_s=180)
        assert bench.wait() == 0, bench.stderr
    finally:
        bench.close()
    figures = json.loads(bench.stdout)["figures"]
    assert figures["delay_0_ms"].keys() >= {"bytes_alone", "aiohttp", "paceline"}
    assert figures["errors"]["paceline"] == {
        "never_sent": "BrokerNeverSent",
        "taken_and_not_answered": "BrokerOutcomeUnknown",
    }
    assert bench.left_behind() == []


def test_a_name_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    bench = paceline("bench", "nonsense", temp=tmp_path / "t")
    assert bench.wait() == 2
    assert "there is no benchmark nonsense" in bench.stderr
    assert bench.left_behind() == []


def test_a_liquidation_is_measured_once_everybody_was_sold_once_and_is_flat(tmp_path: Path) -> None:
    arguments = ("liquidation", "--followers", "2", "--rounds", "1", "--json", "-")
    bench = paceline("bench", *arguments, temp=tmp_path / "t")
    try:
        wait_until(lambda: bench.process.poll() is not None, "the bench ends", within_s=300)
        assert bench.wait() == 0, bench.stderr
    finally:
        bench.close()
    result = json.loads(bench.stdout)
    figures = result["figures"]
    assert result.keys() >= FIELDS
    assert (result["name"], result["rounds"], figures["followers"]) == ("liquidation", 1, 2)
    assert 0 < figures["decided_ms"]["p50"] < figures["first_ms"]["p50"] <= figures["last_ms"]["p50"]
    assert figures["repriced_ms"].keys() == figures["bare_ms"].keys() == {"p50", "p99"}
    assert bench.left_behind() == []

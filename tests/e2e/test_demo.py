"""`paceline demo` as a person or a program runs it."""

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.stage import paceline

pytestmark = pytest.mark.e2e
FIELDS = {
    *("followers", "events", "planned", "accepted", "skipped", "duplicates", "missing"),
    *("first_order_ms", "last_order_ms"),
}


def test_two_replicas_of_each_service_copy_everything_once_and_say_it_in_json_alone(tmp_path: Path) -> None:
    arguments = ("--followers", "20", "--events", "6", "--seed", "7", "--replicas", "2", "--json", "-")
    demo = paceline("demo", *arguments, temp=tmp_path / "t")
    try:
        code = demo.wait()
    finally:
        demo.close()
    assert code == 0, demo.stderr
    verdict = json.loads(demo.stdout)
    assert verdict.keys() >= FIELDS
    assert verdict["planned"] == verdict["accepted"] + verdict["skipped"] == 20 * 6
    assert (verdict["duplicates"], verdict["missing"]) == (0, 0)
    assert set(verdict["first_order_ms"]) == set(verdict["last_order_ms"]) == {"p50", "p99"}
    assert "fill 6: leader" in demo.stderr
    assert "The day, by the simulator's books" in demo.stderr
    assert demo.left_behind() == []


@pytest.mark.xdist_group("stack")
def test_a_crash_warns_by_mail_flattens_everybody_and_tells_how(tmp_path: Path) -> None:
    demo = paceline("demo", "--scenario", "crash", "--followers", "3", "--json", "-", temp=tmp_path / "t")
    try:
        code = demo.wait()
    finally:
        demo.close()
    assert code == 0, demo.stderr
    verdict = json.loads(demo.stdout)
    assert (verdict["scenario"], verdict["liquidations"], verdict["sound"]) == ("crash", 4, True)
    assert (verdict["not_flat"], verdict["sold_twice"], verdict["touched"]) == (0, 0, 0)
    mail, account = "mail to xl00001@paceline.example:", "fyers:XL00001"
    first = demo.stderr.index(f"{mail} Margin warning: {account}")
    assert first < demo.stderr.index(f"{mail} Liquidation begun: {account}")
    for step in (
        "risk.warned",
        "risk.liquidation_wanted",
        "stored: FLATTEN of the whole account",
        "done: flat",
    ):
        assert f"{account}: {step}" in demo.stderr
    assert demo.left_behind() == []


def test_a_demo_that_is_told_to_end_ends_and_leaves_nothing(tmp_path: Path) -> None:
    demo = paceline("demo", "--followers", "5", "--events", "5000", temp=tmp_path / "t")
    try:
        demo.says("fill 1: leader")
        assert demo.end(signal.SIGINT) == 128 + signal.SIGINT
    finally:
        demo.close()
    assert "ended before the day was over" in demo.stdout
    assert "Traceback" not in demo.stderr
    assert demo.left_behind() == []


def test_a_database_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    stores = {"PACELINE_POSTGRES_URL": "postgresql://nobody:hunter2@127.0.0.1:1/x"}
    demo = paceline("demo", temp=tmp_path / "t", environment=stores)
    assert demo.wait() == 1
    assert "PostgreSQL at 127.0.0.1:1: " in demo.stdout
    assert "hunter2" not in demo.stdout + demo.stderr
    assert demo.left_behind() == []

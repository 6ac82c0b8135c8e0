"""Lint, breaking changes and drift: each passes as things stand, and fails when its fault is planted."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.contract.protos.conftest import ROOT, Buf

V1 = Path("protos/paceline/api/v1")
AGAINST = ("breaking", "--against", "protos/released.binpb")


def plant(copied: Path, proto: str, old: str, new: str) -> None:
    path = copied / V1 / proto
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_lint_passes(buf: Buf) -> None:
    result = buf("lint")
    assert (result.returncode, result.stdout) == (0, "")


def test_format_passes(buf: Buf) -> None:
    result = buf("format", "--diff", "--exit-code")
    assert (result.returncode, result.stdout) == (0, "")


def test_nothing_breaks_the_last_release(buf: Buf) -> None:
    result = buf(*AGAINST)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("proto", "old", "new", "complaint"),
    [
        pytest.param(
            "copy_order.proto", "  string tag = 12;", "", 'field "12" with name "tag"', id="field removed"
        ),
        pytest.param(
            "copy_order.proto", "string tag = 12;", "string tag = 99;", '"12"', id="field renumbered"
        ),
        pytest.param(
            "event.proto", "int64 offset = 2;", "string offset = 2;", "changed type", id="type changed"
        ),
        pytest.param("common.proto", "SIDE_SELL = 2", "SIDE_SELL = 3", '"2"', id="value renumbered"),
        pytest.param(
            "executor.proto",
            "rpc Execute(stream ExecuteRequest)",
            "rpc Execute(ExecuteRequest)",
            "streaming",
            id="no longer streaming",
        ),
        pytest.param("feed.proto", "rpc GetQuotes(", "rpc GetPrices(", "GetQuotes", id="rpc renamed"),
    ],
)
def test_a_planted_break_is_refused(
    buf: Buf, copied: Path, proto: str, old: str, new: str, complaint: str
) -> None:
    plant(copied, proto, old, new)
    result = buf(*AGAINST, cwd=copied)
    assert result.returncode != 0
    assert complaint in result.stdout


def test_a_new_field_breaks_nothing(buf: Buf, copied: Path) -> None:
    plant(
        copied, "copy_order.proto", "  string tag = 12;", "  string tag = 12;\n  // New.\n  string new = 99;"
    )
    result = buf(*AGAINST, cwd=copied)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize(
    ("proto", "old", "new", "complaint"),
    [
        pytest.param(
            "common.proto", "  // Buy.\n  SIDE_BUY", "  SIDE_BUY", "COMMENT_ENUM_VALUE", id="no comment"
        ),
        pytest.param(
            "common.proto", "SIDE_UNSPECIFIED", "SIDE_NONE", "ENUM_ZERO_VALUE_SUFFIX", id="a meaning for zero"
        ),
    ],
)
def test_a_planted_fault_of_style_is_refused(
    buf: Buf, copied: Path, proto: str, old: str, new: str, complaint: str
) -> None:
    plant(copied, proto, old, new)
    result = buf("lint", "--error-format", "json", cwd=copied)
    assert result.returncode != 0
    assert complaint in result.stdout


def test_stubs_are_what_the_protos_say(generator: ModuleType) -> None:
    assert list(generator.drift(ROOT)) == []


def test_drift_names_what_differs_is_missing_or_left_over(generator: ModuleType, copied: Path) -> None:
    stubs = copied / "paceline" / "api" / "v1"
    (stubs / "event_pb2.py").write_text("# changed by hand\n")
    (stubs / "feed_pb2_grpc.py").unlink()
    (stubs / "gone_pb2.py").touch()
    plant(copied, "common.proto", "SIDE_SELL = 2", "SIDE_SELL = 3")
    assert list(generator.drift(copied, copied / "protos")) == [
        "paceline/api/v1/common_pb2.py",
        "paceline/api/v1/common_pb2.pyi",
        "paceline/api/v1/event_pb2.py",
        "paceline/api/v1/feed_pb2_grpc.py",
        "paceline/api/v1/gone_pb2.py",
    ]


def test_nothing_of_google_or_grpc_is_generated_into_the_tree() -> None:
    assert not (ROOT / "google").exists()
    assert not (ROOT / "grpc").exists()
    assert {path.name for path in (ROOT / "paceline" / "api").iterdir()} - {"__pycache__"} == {
        "__init__.py",
        "v1",
    }

"""Settings: declared once, read once, and every problem told at once."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import ClassVar

import pytest

from paceline.domain.secret import Secret
from paceline.runtime.settings import CrossRule, SettingsError, describe, hints, load, setting


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def _in_order(low: int, high: int) -> str | None:
    return None if low <= high else "are out of order"


def _even(value: int) -> str | None:
    return None if value % 2 == 0 else "is odd"


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    RULES: ClassVar[tuple[CrossRule, ...]] = (CrossRule(("low", "high"), _in_order),)

    low: int = setting(default=1, minimum=0, about="the lower end")
    high: int = setting(default=10, maximum=100, about="the upper end")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample(Base):
    wait_ms: int = setting(default=5, check=_even, about="how long", shown_default="five")
    share: float = setting(default=0.5, about="a share")
    price: Decimal = setting(default=Decimal("1.5"), about="a price")
    loud: bool = setting(default=False, about="whether")
    colour: Colour = setting(default=Colour.RED, about="which")
    folder: Path | None = setting(default=None, about="where")
    sizes: tuple[int, ...] = setting(default=(1, 2), minimum=1, about="how large")
    api_url: str = setting(schemes=("https",), about="whom to call")
    jwt_secret: Secret = setting(about="what tokens are signed with")


REQUIRED = {"PACELINE_API_URL": "https://api.example", "PACELINE_JWT_SECRET": "s3cret"}


def problems_of(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(Sample, environ)
    return {problem.name: problem.rule for problem in caught.value.problems}


def test_unset_names_take_their_defaults() -> None:
    sample = load(Sample, REQUIRED)
    assert (sample.low, sample.wait_ms, sample.colour, sample.folder, sample.sizes) == (
        1,
        5,
        Colour.RED,
        None,
        (1, 2),
    )


def test_an_empty_value_is_an_unset_one() -> None:
    assert load(Sample, {**REQUIRED, "PACELINE_LOW": " "}).low == 1


@pytest.mark.parametrize(
    ("name", "raw", "attribute", "value"),
    [
        ("PACELINE_WAIT_MS", "40", "wait_ms", 40),
        ("PACELINE_SHARE", "0.25", "share", 0.25),
        ("PACELINE_PRICE", "10.05", "price", Decimal("10.05")),
        ("PACELINE_LOUD", "Yes", "loud", True),
        ("PACELINE_LOUD", "off", "loud", False),
        ("PACELINE_COLOUR", "BLUE", "colour", Colour.BLUE),
        ("PACELINE_FOLDER", "/srv", "folder", Path("/srv")),
        ("PACELINE_SIZES", "3, 4,5", "sizes", (3, 4, 5)),
        ("PACELINE_API_URL", "https://other.example:444/x", "api_url", "https://other.example:444/x"),
        ("PACELINE_JWT_SECRET", "t", "jwt_secret", Secret("t")),
    ],
)
def test_a_value_is_of_its_field_s_type(name: str, raw: str, attribute: str, value: object) -> None:
    assert getattr(load(Sample, {**REQUIRED, name: raw}), attribute) == value


@pytest.mark.parametrize(
    ("name", "raw", "rule"),
    [
        ("PACELINE_LOW", "one", "'one' is not a whole number"),
        ("PACELINE_LOW", "-1", "'-1' is below 0"),
        ("PACELINE_HIGH", "101", "'101' is above 100"),
        ("PACELINE_WAIT_MS", "3", "'3' is odd"),
        ("PACELINE_SHARE", "nan", "'nan' is not a number"),
        ("PACELINE_PRICE", "x", "'x' is not a number"),
        ("PACELINE_LOUD", "maybe", "'maybe' is not true or false"),
        ("PACELINE_COLOUR", "green", "'green' is not one of red, blue"),
        ("PACELINE_SIZES", "3,0", "'0' is below 1"),
        ("PACELINE_API_URL", "ftp://x", "'ftp://x' is not a URL of https://"),
        ("PACELINE_API_URL", "https://", "'https://' is a URL without a host"),
        ("PACELINE_API_URL", "https://h:port", "'https://h:port' is not a URL"),
    ],
)
def test_a_broken_rule_is_named_with_its_field(name: str, raw: str, rule: str) -> None:
    assert problems_of({**REQUIRED, name: raw}) == {name: rule}


def test_every_problem_is_reported_at_once() -> None:
    found = problems_of({"PACELINE_LOW": "x", "PACELINE_HIGH": "1000", "PACELINE_COLOUR": "green"})
    assert set(found) == {
        "PACELINE_LOW",
        "PACELINE_HIGH",
        "PACELINE_COLOUR",
        "PACELINE_API_URL",
        "PACELINE_JWT_SECRET",
    }


def test_the_message_holds_every_problem_and_every_near_miss() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Sample, {"PACELINE_LOW": "x", "PACELINE_COLOR": "red"})
    assert str(caught.value).splitlines() == [
        "3 settings are wrong:",
        "  PACELINE_LOW 'x' is not a whole number",
        "  PACELINE_API_URL is required: whom to call",
        "  PACELINE_JWT_SECRET is required: what tokens are signed with",
        "  note: PACELINE_COLOR is not a setting; did you mean PACELINE_COLOUR?",
    ]


def test_a_rule_over_several_settings_names_them_all() -> None:
    found = problems_of({**REQUIRED, "PACELINE_LOW": "9", "PACELINE_HIGH": "3"})
    assert found == {"PACELINE_LOW and PACELINE_HIGH": "are out of order"}


def test_a_rule_over_several_is_silent_when_one_of_them_is_wrong_by_itself() -> None:
    assert set(problems_of({**REQUIRED, "PACELINE_LOW": "9", "PACELINE_HIGH": "x"})) == {"PACELINE_HIGH"}


def test_a_secret_is_not_quoted_in_its_problem() -> None:
    @dataclass(frozen=True)
    class Guarded:
        url: Secret = setting(schemes=("https",), about="where")

    with pytest.raises(SettingsError) as caught:
        load(Guarded, {"PACELINE_URL": "http://user:hunter2@host"})
    assert "hunter2" not in str(caught.value)
    assert "the value is not a URL of https://" in str(caught.value)


def test_an_older_name_is_read_where_the_new_one_is_not_set() -> None:
    environ = {"PACELINE_API_URL": "https://a", "JWT_SECRET": "old"}
    assert load(Sample, environ).jwt_secret.reveal() == "old"
    assert load(Sample, {**environ, "PACELINE_JWT_SECRET": "new"}).jwt_secret.reveal() == "new"


def test_only_names_that_look_like_a_slip_are_hinted_at() -> None:
    environ = {"PACELINE_WAIT_SM": "1", "PACELINE_SOMETHING_ELSE_ENTIRELY": "1", "WAIT_MS": "1"}
    assert hints(Sample, environ) == ("PACELINE_WAIT_SM is not a setting; did you mean PACELINE_WAIT_MS?",)


def test_a_description_names_default_help_and_secrecy() -> None:
    described = {each.name: each for each in describe(Sample)}
    assert described["PACELINE_WAIT_MS"].default == "five"
    assert described["PACELINE_COLOUR"].default == "red"
    assert described["PACELINE_LOUD"].default == "false"
    assert described["PACELINE_SIZES"].default == "1,2"
    assert described["PACELINE_FOLDER"].default == ""
    assert described["PACELINE_WAIT_MS"].help == "how long"
    assert described["PACELINE_JWT_SECRET"].secret
    assert described["PACELINE_JWT_SECRET"].required
    assert described["PACELINE_JWT_SECRET"].legacy_name == "JWT_SECRET"


def test_settings_are_declared_on_a_dataclass() -> None:
    with pytest.raises(TypeError, match="not a dataclass"):
        describe(dict)

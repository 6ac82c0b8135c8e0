"""`paceline migrate` on a real database."""

import pytest
from typer.testing import CliRunner, Result

from paceline.adapters.postgres.migrate import head
from paceline.cli.__main__ import app

pytestmark = pytest.mark.e2e


def migrate(*arguments: str, **environment: str | None) -> Result:
    unset = {"PACELINE_POSTGRES_URL": None, "DATABASE_URL": None}
    return CliRunner().invoke(app, ["migrate", *arguments], env={**unset, **environment})


def test_it_goes_forward_and_back_and_says_from_where_to_where(empty_postgres_url: str) -> None:
    newest = head()
    named = {"PACELINE_POSTGRES_URL": empty_postgres_url}
    assert migrate(**named).output == f"empty → {newest}\n"
    assert migrate(**named).output == f"{newest} → {newest}\n"
    assert migrate("--to", "0002", **named).output == f"{newest} → 0002\n"
    assert migrate("--to", "0003", **named).output == "0002 → 0003\n"
    assert migrate("--to", "base", **named).output == "0003 → empty\n"


def test_the_older_name_and_a_scheme_with_a_driver_are_understood(empty_postgres_url: str) -> None:
    with_driver = empty_postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    assert migrate("--to", "0001", DATABASE_URL=with_driver).output == "empty → 0001\n"


def test_without_a_database_it_says_how_to_name_one() -> None:
    result = migrate()
    assert (result.exit_code, result.output) == (
        2,
        "--url is required: name the database, or set PACELINE_POSTGRES_URL\n",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "9999"), "Can't locate revision identified by '9999'"),
        (("--url", "postgresql://u:hunter2@127.0.0.1:1/x"), "127.0.0.1"),
        (("--url", "mysql://u:hunter2@127.0.0.1:1/x"), "scheme"),
    ],
)
def test_what_stands_in_the_way_is_one_line_and_changes_nothing(
    arguments: tuple[str, ...], words: str, empty_postgres_url: str
) -> None:
    result = migrate(*arguments, PACELINE_POSTGRES_URL=empty_postgres_url)
    assert result.exit_code == 1
    assert result.output.startswith("the schema stays as it is: ")
    assert words in result.output
    assert len(result.output.splitlines()) == 1
    assert "hunter2" not in result.output

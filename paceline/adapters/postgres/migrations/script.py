"""Emits the SQL script that lies beside a revision."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run(name: str) -> None:
    """Untouched: SQLAlchemy would read `:name` as a parameter and take one statement at a time."""
    op.get_context().impl.static_output((VERSIONS / name).read_text("utf-8"))


def before(revision: str) -> str:
    """The one that stands before it here: numbers may be left out, the chain is one line all the same."""
    numbers = sorted(path.name[: len(revision)] for path in VERSIONS.glob("[0-9]*.py"))
    return max(number for number in numbers if number < revision)

"""Emits the SQL script that lies beside a revision."""

from pathlib import Path

from alembic import op

VERSIONS = Path(__file__).parent / "versions"


def run(name: str) -> None:
    """Untouched: SQLAlchemy would read `:name` as a parameter and take one statement at a time."""
    op.get_context().impl.static_output((VERSIONS / name).read_text("utf-8"))

"""Adjustments of ledgers that somebody ordered, and corporate actions."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0037"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0037_adjustments.up.sql")


def downgrade() -> None:
    run("0037_adjustments.down.sql")

"""Liquidations with all that is known of why, and their steps."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0025"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0025_liquidations.up.sql")


def downgrade() -> None:
    run("0025_liquidations.down.sql")

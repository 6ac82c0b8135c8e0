"""Decisions, copy orders, fills, ledgers, trades."""

from paceline.adapters.postgres.migrations.script import run

revision = "0003"
down_revision: str = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0003_copying.up.sql")


def downgrade() -> None:
    run("0003_copying.down.sql")

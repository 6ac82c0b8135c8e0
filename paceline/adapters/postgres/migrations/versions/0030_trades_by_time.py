"""Trades in the order in which lists show them."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0030"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0030_trades_by_time.up.sql")


def downgrade() -> None:
    run("0030_trades_by_time.down.sql")

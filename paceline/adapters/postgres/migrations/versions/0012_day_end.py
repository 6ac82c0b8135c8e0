"""The end of the trading day: closed trades, swept failures, and which accounts have had theirs."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0012"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0012_day_end.up.sql")


def downgrade() -> None:
    run("0012_day_end.down.sql")

"""What stood in the books of a baseline; price bands beside the versions of instruments."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0009"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0009_daily_facts.up.sql")


def downgrade() -> None:
    run("0009_daily_facts.down.sql")

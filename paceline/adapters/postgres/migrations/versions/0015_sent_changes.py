"""When changes to orders were sent, by account."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0015"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0015_sent_changes.up.sql")


def downgrade() -> None:
    run("0015_sent_changes.down.sql")

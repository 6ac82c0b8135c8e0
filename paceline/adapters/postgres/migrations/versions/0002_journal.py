"""The journal, its readers and its writers' leases."""

from paceline.adapters.postgres.migrations.script import run

revision = "0002"
down_revision: str = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0002_journal.up.sql")


def downgrade() -> None:
    run("0002_journal.down.sql")

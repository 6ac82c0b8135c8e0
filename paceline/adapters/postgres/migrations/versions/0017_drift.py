"""Where ledgers and position books differ."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0017"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0017_drift.up.sql")


def downgrade() -> None:
    run("0017_drift.down.sql")

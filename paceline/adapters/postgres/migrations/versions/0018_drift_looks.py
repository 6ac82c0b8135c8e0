"""Looks at position books that somebody asked for."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0018"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0018_drift_looks.up.sql")


def downgrade() -> None:
    run("0018_drift_looks.down.sql")

"""Guards: what they measure from, and what tripped."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0032"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0032_guards.up.sql")


def downgrade() -> None:
    run("0032_guards.down.sql")

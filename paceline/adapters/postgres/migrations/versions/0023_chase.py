"""Protected limits that follow the price."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0023"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0023_chase.up.sql")


def downgrade() -> None:
    run("0023_chase.down.sql")

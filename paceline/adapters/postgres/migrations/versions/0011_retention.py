"""How much of the journal is kept, and where risk begins when the rest went."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0011"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0011_retention.up.sql")


def downgrade() -> None:
    run("0011_retention.down.sql")

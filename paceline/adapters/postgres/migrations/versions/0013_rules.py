"""What the whole rules of copying store."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0013"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0013_rules.up.sql")


def downgrade() -> None:
    run("0013_rules.down.sql")

"""Lists of instruments that take no new positions."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0036"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0036_ban_lists.up.sql")


def downgrade() -> None:
    run("0036_ban_lists.down.sql")

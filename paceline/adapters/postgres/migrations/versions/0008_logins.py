"""Which token was refused, whose turn it is to log in, and since when a session stands as it does."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0008"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0008_logins.up.sql")


def downgrade() -> None:
    run("0008_logins.down.sql")

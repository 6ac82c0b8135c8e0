"""Why a subscription that is ending has not ended yet."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0020"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0020_beginnings_and_ends.up.sql")


def downgrade() -> None:
    run("0020_beginnings_and_ends.down.sql")

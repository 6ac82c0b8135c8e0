"""Kill switches, and who has read them."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0028"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0028_kill_switches.up.sql")


def downgrade() -> None:
    run("0028_kill_switches.down.sql")

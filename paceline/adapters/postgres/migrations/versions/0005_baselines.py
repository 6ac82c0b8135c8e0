"""When each account's books were first taken as known."""

from paceline.adapters.postgres.migrations.script import run

revision = "0005"
down_revision: str = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0005_baselines.up.sql")


def downgrade() -> None:
    run("0005_baselines.down.sql")

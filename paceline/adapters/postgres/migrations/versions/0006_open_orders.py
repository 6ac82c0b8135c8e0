"""Open copy orders by subscription and key."""

from paceline.adapters.postgres.migrations.script import run

revision = "0006"
down_revision: str = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0006_open_orders.up.sql")


def downgrade() -> None:
    run("0006_open_orders.down.sql")

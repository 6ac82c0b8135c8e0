"""Instruments, risk, audit, requests."""

from paceline.adapters.postgres.migrations.script import run

revision = "0004"
down_revision: str = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0004_operations.up.sql")


def downgrade() -> None:
    run("0004_operations.down.sql")

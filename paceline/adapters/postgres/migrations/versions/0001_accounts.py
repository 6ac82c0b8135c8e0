"""Accounts, apps, sessions, subscriptions."""

from paceline.adapters.postgres.migrations.script import run

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0001_accounts.up.sql")


def downgrade() -> None:
    run("0001_accounts.down.sql")

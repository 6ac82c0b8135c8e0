"""What a liquidation reads of an account is found without its history."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0039"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0039_of_accounts.up.sql")


def downgrade() -> None:
    run("0039_of_accounts.down.sql")

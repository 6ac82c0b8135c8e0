"""Sessions that one replica holds, whoever owns the partition."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0010"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0010_pins.up.sql")


def downgrade() -> None:
    run("0010_pins.down.sql")

"""What was refused is tried again: exits by their next step, cancellations no more often than is told."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0038"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0038_tried_again.up.sql")


def downgrade() -> None:
    run("0038_tried_again.down.sql")

"""Which transaction changed an account or a session last."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0007"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0007_news.up.sql")


def downgrade() -> None:
    run("0007_news.down.sql")

"""How accounts stand against their lines, what people are told of it, and whom to tell."""

from paceline.adapters.postgres.migrations.script import before, run

revision = "0027"
down_revision: str = before(revision)
branch_labels = None
depends_on = None


def upgrade() -> None:
    run("0027_risk_states.up.sql")


def downgrade() -> None:
    run("0027_risk_states.down.sql")

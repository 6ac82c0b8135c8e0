"""Alembic's entry: writes SQL only; `migrate` carries it out, in one transaction, through asyncpg."""

from alembic import context

context.configure(dialect_name="postgresql", transactional_ddl=False)
context.run_migrations()

"""Every named query is sent by somebody and fits the schema."""

from importlib import import_module
from pkgutil import iter_modules

import asyncpg

import paceline.adapters.postgres as package
from paceline.adapters.postgres import queries


async def test_the_schema_can_answer_every_query(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    refused = {}
    for name, query in queries.everything().items():
        try:
            await connection.prepare(query)
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    assert refused == {}


def test_no_query_is_left_over() -> None:
    for module in iter_modules(package.__path__, package.__name__ + "."):
        if not module.ispkg:
            import_module(module.name)
    assert queries.unused() == frozenset()

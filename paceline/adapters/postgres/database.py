"""The one border where PostgreSQL's failures become Paceline's own."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from paceline.domain.errors import AlreadyExists, Conflict, Invalid, NotFound, Unavailable

Row = asyncpg.Record

_GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # used between the server's farewell and the end of the connection
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
)
_TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)


@contextmanager
def map_errors() -> Iterator[None]:
    """A lost connection during a commit is `Unavailable` too: whoever repeats must be idempotent, and all
    are.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(error.table_name or "row", error.detail or "") from error
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound("what it refers to", error.detail or error.constraint_name or "") from error
    except asyncpg.RestrictViolationError as error:
        raise Conflict(str(error)) from error
    except (asyncpg.CheckViolationError, asyncpg.NotNullViolationError) as error:
        raise Invalid(error.column_name or error.constraint_name or "row", str(error)) from error
    except _TRY_AGAIN as error:
        raise Unavailable(f"PostgreSQL wants it again: {error}") from error
    except _GONE as error:
        raise Unavailable(f"PostgreSQL cannot be reached: {str(error) or type(error).__name__}") from error


class Transaction:
    """Queries inside one transaction; its errors are mapped where it began."""

    __slots__ = ("_connection", "_patience_s")

    def __init__(self, connection: Any, patience_s: float | None = None) -> None:
        self._connection = connection
        self._patience_s = patience_s

    async def fetch(self, query: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(query, *arguments, timeout=self._patience_s)
        return rows

    async def row(self, query: str, *arguments: object) -> Row | None:
        found: Row | None = await self._connection.fetchrow(query, *arguments, timeout=self._patience_s)
        return found

    async def value(self, query: str, *arguments: object) -> Any:
        return await self._connection.fetchval(query, *arguments, timeout=self._patience_s)

    async def execute(self, query: str, *arguments: object) -> None:
        await self._connection.execute(query, *arguments, timeout=self._patience_s)


class Database:
    """A pool of connections; what a repository is built on."""

    __slots__ = ("_pool",)

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self, patience_s: float | None = None) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, rolls back when it raises; `patience_s` is for one query, where
        it is not the pool's.
        """
        with map_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                yield Transaction(connection, patience_s)

    async def fetch(self, query: str, *arguments: object) -> list[Row]:
        with map_errors():
            rows: list[Row] = await self._pool.fetch(query, *arguments)
            return rows

    async def row(self, query: str, *arguments: object) -> Row | None:
        with map_errors():
            found: Row | None = await self._pool.fetchrow(query, *arguments)
            return found

    async def value(self, query: str, *arguments: object) -> Any:
        with map_errors():
            return await self._pool.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> None:
        with map_errors():
            await self._pool.execute(query, *arguments)

    async def ready(self) -> None:
        """Raises `Unavailable` unless a query is answered."""
        await self.value("SELECT 1")

    async def close(self) -> None:
        """Waits for queries under way."""
        await self._pool.close()


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Turns rows into the arrays that `unnest` takes; no rows give empty arrays."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(width)]


def literals(rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """As `columns`, each written out as one text (`$1::text::numeric[]`).

    Of every element of an array asyncpg asks whether it is an array too, which costs more than all the rest.
    """
    return ["{" + ",".join(map(_element, column)) + "}" for column in columns(rows, width)]


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'

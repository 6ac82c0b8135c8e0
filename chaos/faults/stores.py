"""The stores go away and come back. They are started from the main thread, which is the loop's."""

from random import Random

from chaos.faults.fault import CERTAIN, End, Fault, nothing_to_end
from chaos.stage import Stage
from paceline.cli.processes import StackError
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis


def postgres_of(stage: Stage) -> EmbeddedPostgres:
    if stage.stack.postgres is None:
        raise StackError("chaos wants a PostgreSQL of its own: unset PACELINE_POSTGRES_URL and DATABASE_URL")
    return stage.stack.postgres


def redis_of(stage: Stage) -> EmbeddedRedis:
    if stage.stack.redis is None:
        raise StackError("chaos wants a Redis of its own: unset PACELINE_REDIS_URL and REDIS_URL")
    return stage.stack.redis


async def _stop_postgres(stage: Stage, random: Random, lasts: float) -> End:
    """Now by an immediate stop, now by a crash."""
    server, crash = postgres_of(stage), random.random() < 0.5
    stage.note("postgres_stopped", crash=crash, away_s=lasts)
    if crash:
        server.kill()
    else:
        server.halt()
    stage.tally["postgres_stopped"] += 1

    async def end() -> None:
        server.restart()

    return end


async def _restart_redis(stage: Stage, _random: Random, lasts: float) -> End:
    server = redis_of(stage)
    stage.note("redis_restarted", away_s=lasts)
    server.kill()
    stage.tally["redis_restarted"] += 1

    async def end() -> None:
        server.restart()

    return end


async def _flush_redis(stage: Stage, _random: Random, _lasts: float) -> End:
    stage.note("redis_flushed")
    redis_of(stage).flush()
    stage.tally["redis_flushed"] += 1
    return nothing_to_end


POSTGRES = Fault("postgres_stopped", "postgres", (0.5, 5.0), _stop_postgres, CERTAIN)
REDIS_RESTART = Fault("redis_restarted", "redis", (0.2, 2.0), _restart_redis, CERTAIN)
REDIS_FLUSH = Fault("redis_flushed", "redis", (0.0, 0.0), _flush_redis, CERTAIN)

"""What the broker does to its clients, switched on at its control door and counted by it."""

from collections.abc import Sequence
from random import Random

from chaos.faults.fault import CERTAIN, End, Fault, nothing_to_end
from chaos.stage import Stage

_TRUTH_MS = 30_000
"""So long a lie stands alone: a replica that is dead or stopped meanwhile hears the truth all the same."""
_PLACES = ("place",)
_ANY = ("place", "modify", "cancel", "orders", "positions", "funds")
_BOOKS = ["orders", "tradebook", "positions", "profile"]
_SHARE = 0.2


def chosen(stage: Stage, random: Random, share: float = _SHARE) -> list[str]:
    """Some of the clients, the same for the same seed."""
    return sorted(random.sample(stage.clients, max(1, round(len(stage.clients) * share))))


def rule(
    kind: str, lasts_s: tuple[float, float], *, cut: bool = False, share: float = _SHARE, **options: object
) -> Fault:
    """A standing rule for some clients; `cut` breaks their sockets too, so that they come and meet it."""

    async def begin(stage: Stage, random: Random, lasts: float) -> End:
        clients = chosen(stage, random, share)
        stage.note(kind, clients=clients, lasts_s=lasts)
        made = await stage.control.post("/faults", {"kind": kind, "accounts": clients, **options})
        if cut:
            await stage.control.post("/sockets/cut", {"client_ids": clients})

        async def end() -> None:
            await stage.control.delete(f"/faults/{made['id']}")

        return end

    return Fault(kind, kind, lasts_s, begin)


async def _refuse(stage: Stage, random: Random, lasts: float) -> End:
    """New connections are reset; those that live are cut, so that they come again."""
    clients = chosen(stage, random)
    stage.note("refuse", clients=clients, lasts_s=lasts)
    made = await stage.control.post("/faults", {"kind": "refuse"})
    await stage.control.post("/sockets/cut", {"client_ids": clients})

    async def end() -> None:
        await stage.control.delete(f"/faults/{made['id']}")

    return end


async def _close_listener(stage: Stage, random: Random, lasts: float) -> End:
    clients = chosen(stage, random)
    stage.note("listener_closed", clients=clients, lasts_s=lasts)
    await stage.control.post("/listener", {"open": False})
    await stage.control.post("/sockets/cut", {"client_ids": clients})

    async def end() -> None:
        await stage.control.post("/listener", {"open": True})

    return end


async def _cut(stage: Stage, random: Random, _lasts: float) -> End:
    clients = chosen(stage, random)
    stage.note("ws_cut", clients=clients)
    await stage.control.post("/sockets/cut", {"client_ids": clients})
    return nothing_to_end


async def _expire(stage: Stage, random: Random, _lasts: float) -> End:
    clients = chosen(stage, random, 0.1)
    stage.note("tokens_expired", clients=clients)
    await stage.control.post("/tokens/expire", {"client_ids": clients})
    return nothing_to_end


async def _hold_ticks(stage: Stage, _random: Random, lasts: float) -> End:
    """The price sockets of everybody fall silent, and stay open."""
    return await _standing(stage, "ticks_held", lasts)


async def _lie(stage: Stage, _random: Random, lasts: float) -> End:
    """Hardly any money, to those whom the load gave for it."""
    return await _standing(stage, "funds_lie", lasts, accounts=stage.lied_to, percent=1, ms=_TRUTH_MS)


async def _standing(stage: Stage, kind: str, lasts: float, **options: object) -> End:
    stage.note(kind, lasts_s=lasts, **options)
    made = await stage.control.post("/faults", {"kind": kind, **options})

    async def end() -> None:
        await stage.control.delete(f"/faults/{made['id']}")

    return end


def order_rule(kind: str, probability: float, ms: int = 0, calls: Sequence[str] = _PLACES) -> Fault:
    """What goes wrong with new orders of anyone, or with other calls too, and how often."""
    return rule(kind, (6.0, 15.0), share=1.0, probability=probability, calls=list(calls), ms=ms)


_AT_ONCE = (0.0, 0.0)

FREEZE = rule("ws_freeze", (4.0, 14.0))
"""Some thaw before anyone noticed, and what was lost meanwhile is for the books to tell."""
SLOW_HANDSHAKE = rule("ws_slow_handshake", (2.0, 5.0), cut=True, ms=1_500)
HANDSHAKE_403 = rule("ws_403", (0.5, 2.0), cut=True)
LOSE = rule("frame_lose", (3.0, 10.0), probability=0.2)
LOSE_TRADE = rule("trade_frame_lose", (3.0, 10.0), probability=0.3)
DUPLICATE = rule("frame_duplicate", (3.0, 10.0), probability=0.3)
REORDER = rule("frame_reorder", (3.0, 10.0), probability=0.5)
LAG = rule("books_lag", (5.0, 10.0), share=0.5, ms=1_500, calls=["orders", "tradebook"])
BOOKS_5XX = rule("server_5xx", (3.0, 8.0), calls=_BOOKS, probability=0.5)
BOOKS_429 = rule("rate_429", (3.0, 8.0), calls=_BOOKS, probability=0.3)
CUT = Fault("ws_cut", "ws_cut", _AT_ONCE, _cut, CERTAIN)
EXPIRE = Fault("tokens_expired", "tokens_expired", _AT_ONCE, _expire, CERTAIN)
REFUSE = Fault("refuse", "door", (0.5, 3.0), _refuse, CERTAIN)
CLOSED = Fault("listener_closed", "door", (0.5, 3.0), _close_listener, CERTAIN)
ORDERS = (
    order_rule("drop_after_accept", 0.05),
    order_rule("code_201", 0.1),
    order_rule("rate_429", 0.1),
    order_rule("server_5xx", 0.1),
    order_rule("drop_before_accept", 0.1),
    order_rule("late_landing", 0.06, ms=1_000),
    order_rule("fill_before_answer", 0.1),
    order_rule("delay_after", 0.1, ms=400),
)
LIQUIDATIONS = (
    order_rule("drop_after_accept", 0.15),
    order_rule("code_201", 0.15),
    order_rule("rate_429", 0.1, calls=_ANY),
    order_rule("server_5xx", 0.1, calls=_ANY),
)
"""What goes wrong with the calls that read an account and flatten it."""
LIE = Fault("funds_lie", "funds_lie", (4.0, 12.0), _lie)
TICKS_HELD = Fault("ticks_held", "ticks_held", (2.0, 8.0), _hold_ticks)

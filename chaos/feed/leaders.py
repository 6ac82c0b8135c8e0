"""Carries the script out at the simulated broker, for many leaders side by side."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.feed.script import Cancel, Fill, Idea, Modify, Move, Pause, Place, Step, Trade, ideas
from paceline.cli.demo.control import Control, ControlError
from paceline.cli.demo.script import Traded

_CENTS = 100
_LOT_OF_ONE = "INTRADAY"
_LOTS = "MARGIN"


@dataclass(frozen=True, slots=True)
class Quoted:
    """An instrument, priced by hand from where it closed yesterday."""

    symbol: str
    lot: int
    tick: float
    close: float

    def price(self, ticks: int) -> float:
        return round(max(self.tick, self.close + ticks * self.tick) * _CENTS) / _CENTS


@dataclass(slots=True)
class Leaders:
    control: Control
    clients: Sequence[str]
    quoted: dict[str, Quoted]
    seed: int
    seconds: float
    refused: Counter[str] = field(default_factory=Counter)
    """Steps that the broker would not take any more: the order had ended by itself."""

    async def trade(self) -> None:
        """Returns when the last idea is carried out; who falls behind the clock does not leave any out."""
        began = time.monotonic()
        traded = [Traded(each.symbol, each.lot) for each in self.quoted.values()]

        async def lead(number: int, client: str) -> None:
            for idea in ideas(self.seed, number, self.seconds, traded):
                await asyncio.sleep(began + idea.at_s - time.monotonic())
                await self._carry_out(client, idea)

        await asyncio.gather(*(lead(number, client) for number, client in enumerate(self.clients)))

    async def _carry_out(self, client: str, idea: Idea) -> None:
        order_id = ""
        for step in idea.steps:
            try:
                order_id = await carry_out(self.control, client, self.quoted[idea.symbol], step, order_id)
            except ControlError as refusal:
                self.refused[type(step).__name__] += 1
                if not order_id:
                    return
                del refusal


async def carry_out(control: Control, client: str, what: Quoted, step: Step, order_id: str) -> str:
    """One step; the id of the order that later ones are about, once there is one."""
    match step:
        case Place() | Trade():
            path = "/orders" if isinstance(step, Place) else "/trades"
            made = await control.post(path, _order(client, what, step))
            return str(made["order"]["id"])
        case Fill(lots, parts):
            await control.post(f"/orders/{order_id}/fill", {"qty": lots * what.lot, "parts": parts})
        case Modify():
            await control.patch(f"/orders/{order_id}", _change(what, step))
        case Cancel():
            await control.delete(f"/orders/{order_id}")
        case Move(ticks):
            await control.post("/prices", {"prices": {what.symbol: what.price(ticks)}})
        case Pause(seconds):
            await asyncio.sleep(seconds)
    return order_id


def _order(client: str, what: Quoted, step: Place | Trade) -> dict[str, object]:
    body: dict[str, object] = {
        "client_id": client,
        "symbol": what.symbol,
        "side": step.side,
        "qty": step.lots * what.lot,
        "product": _LOT_OF_ONE if what.lot == 1 else _LOTS,
    }
    if isinstance(step, Trade):
        return body | {"parts": step.parts}
    body |= {"type": step.type, "hold": step.held}
    if step.tag:
        body |= {"tag": step.tag, "source": "ITS"}
    return body | _prices(what, step.limit, step.stop)


def _change(what: Quoted, step: Modify) -> dict[str, object]:
    body = _prices(what, step.limit, None)
    return body if step.lots is None else body | {"qty": step.lots * what.lot}


def _prices(what: Quoted, limit: int | None, stop: int | None) -> dict[str, object]:
    named = {"limit": limit, "stop": stop}
    return {name: what.price(ticks) for name, ticks in named.items() if ticks is not None}


def quoted_of(row: dict[str, Any]) -> Quoted:
    return Quoted(row["symbol"], int(row["lot"]), float(row["tick"]), float(row["previous_close"]))

"""Draw docs/order-states.svg from the transition table: `python docs/generate_order_states.py`."""
# ruff: noqa: INP001  # a script beside the documents it draws, not a package

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from paceline.domain.copy_order import CopyStatus
from paceline.domain.order_states import TERMINAL, TRANSITIONS, Observation

OUT = Path(__file__).with_name("order-states.svg")
WIDTH, HEIGHT, BOX_W, BOX_H = 1060, 560, 140, 44
PLACES = {
    CopyStatus.PLANNED: (40, 130),
    CopyStatus.UNKNOWN: (40, 350),
    CopyStatus.WORKING: (430, 90),
    CopyStatus.PARTIAL: (430, 250),
    CopyStatus.FILLED: (850, 40),
    CopyStatus.CANCELLED: (850, 150),
    CopyStatus.EXPIRED: (850, 240),
    CopyStatus.REJECTED: (850, 330),
    CopyStatus.FAILED: (850, 430),
    CopyStatus.SKIPPED: (430, 430),
}
COLOURS = {
    CopyStatus.PLANNED: "#1f6feb",
    CopyStatus.UNKNOWN: "#b35900",
    CopyStatus.WORKING: "#1a7f37",
    CopyStatus.PARTIAL: "#8250df",
}
LATE = "#8c959f"
STYLE = (
    "text{font-family:system-ui,sans-serif;font-size:12px;fill:#1f2328}"
    ".state{font-weight:600;font-size:13px;text-anchor:middle}"
    ".said{font-size:11px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}"
)
Edge = tuple[CopyStatus, CopyStatus, tuple[Observation, ...]]


def draw() -> str:
    """The whole file; the same table always draws the same bytes."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="States of a copy order">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *(_marker(colour) for colour in (*COLOURS.values(), LATE)),
        *(_edge(edge) for edge in edges()),
        *(_state(status) for status in CopyStatus),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def edges() -> Iterator[Edge]:
    """Every change of state with the observations that bring it; what changes nothing is not drawn."""
    for status, row in TRANSITIONS.items():
        moves = sorted((after, said) for said, after in row.items() if after is not status)
        for after, group in groupby(moves, key=lambda move: move[0]):
            yield status, after, tuple(said for _, said in group)


def _state(status: CopyStatus) -> str:
    x, y = PLACES[status]
    ended = status in TERMINAL
    fill, line = ("#f6f8fa", "#57606a") if ended else ("#ddf4ff", COLOURS[status])
    return (
        f'<rect x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="8" fill="{fill}" stroke="{line}"'
        f' stroke-width="{3 if ended else 2}"/>'
        f'<text class="state" x="{x + BOX_W / 2:g}" y="{y + BOX_H / 2 + 5:g}">{status}</text>'
    )


def _edge(edge: Edge) -> str:
    source, target, said = edge
    colour = COLOURS.get(source, LATE)
    path, (x, y) = _curve(source, target)
    dash = ' stroke-dasharray="5 4"' if source in TERMINAL else ""
    line = (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}'
        f' marker-end="url(#to-{colour[1:]})"/>'
    )
    words = [word for word in said if word.value != target.value]
    if not words:
        return line
    return f'{line}<text class="said" x="{x:g}" y="{y:g}">{" / ".join(words)}</text>'


def _curve(source: CopyStatus, target: CopyStatus) -> tuple[str, tuple[float, float]]:
    """A bend between boxes, and where its words stand (where few others pass)."""
    (x1, y1), (x2, y2) = PLACES[source], PLACES[target]
    if x1 == x2:
        return _beside(source, target)
    start, end = x1 + BOX_W, x2
    middle, meets = y1 + BOX_H / 2, y2 + BOX_H / 2 + _spread(source)
    pull = (end - start) * 0.45
    path = f"M{start} {middle:g} C{start + pull:g} {middle:g} {end - pull:g} {meets:g} {end - 2} {meets:g}"
    part = 0.45 if end - start < 400 else 0.84
    return path, _point((start, middle), (start + pull, middle), (end - pull, meets), (end, meets), at=part)


def _spread(source: CopyStatus) -> float:
    """Arrows of different states meet a box at different heights."""
    return {CopyStatus.PLANNED: -12, CopyStatus.WORKING: -4, CopyStatus.PARTIAL: 4}.get(source, 12)


def _beside(source: CopyStatus, target: CopyStatus) -> tuple[str, tuple[float, float]]:
    """Between boxes of one column: down on the left, up on the right, late fills far right."""
    (x, y1), (_, y2) = PLACES[source], PLACES[target]
    if source in TERMINAL:
        side, bulge = x + BOX_W, 16 + (y1 - y2) / 6
        a, b = y1 + BOX_H / 2, y2 + BOX_H / 2
        return f"M{side} {a:g} C{side + bulge:g} {a:g} {side + bulge:g} {b:g} {side + 2} {b:g}", (side, a)
    down = y2 > y1
    across = x + BOX_W * (0.3 if down else 0.7)
    a, b = (y1 + BOX_H, y2 - 2) if down else (y1, y2 + BOX_H + 2)
    return f"M{across:g} {a} L{across:g} {b}", (across, (a + b) / 2 + (-14 if down else 14))


def _point(*knots: tuple[float, float], at: float) -> tuple[float, float]:
    """A point of a cubic curve."""
    weights = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3)
    x, y = (sum(w * k[i] for w, k in zip(weights, knots, strict=True)) for i in (0, 1))
    return round(x, 1), round(y - 4, 1)


def _marker(colour: str) -> str:
    return (
        f'<marker id="to-{colour[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        f' orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{colour}"/></marker>'
    )


def _legend() -> Iterator[str]:
    lines = (
        "An arrow without words is the observation of that name.",
        "Dashed: a fill that is told after the end is the truth.",
        "What changes nothing is not drawn; what is not in the table is an error.",
        "SKIPPED and FAILED never reached the broker.",
    )
    for number, words in enumerate(lines):
        yield f'<text x="40" y="{HEIGHT - 58 + 18 * number}">{words}</text>'


if __name__ == "__main__":
    OUT.write_text(draw())

"""What one fill does to the position it belongs to."""

from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.money import ZERO


@dataclass(frozen=True, slots=True)
class Movement:
    """A fill closes, opens or adds, or first closes and then opens the other side (a flip)."""

    whole: Decimal
    """Size of the position before, and `kept` of it after what the fill closes; both unsigned."""
    kept: Decimal
    opened: Decimal
    """Signed quantity that opens or adds."""

    @property
    def closes(self) -> bool:
        return self.kept != self.whole

    @property
    def from_flat(self) -> bool:
        """The opened part starts a position: nothing older is wanted."""
        return not self.kept


def movement(position: Decimal, traded: Decimal) -> Movement:
    """`position` before the fill and `traded` by it, both signed."""
    whole = abs(position)
    if position * traded >= 0:
        return Movement(whole, whole, traded)
    kept = whole - abs(traded)
    if kept >= 0:
        return Movement(whole, kept, ZERO)
    return Movement(whole, ZERO, position + traded)

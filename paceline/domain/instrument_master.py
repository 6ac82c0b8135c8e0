"""Which instrument a name of the outside means: whole names in any case, nothing stripped or guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paceline.domain.account import Broker
from paceline.domain.errors import AlreadyExists, NotFound
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument as one broker names it: his trading symbol and his token, each his own key."""

    instrument: Instrument
    broker: Broker
    symbol: str
    token: str = ""


def canonical(symbol: str) -> str:
    """`nse:sbin-eq ` is `NSE:SBIN-EQ`; the series stays, because it names another instrument."""
    return symbol.strip().upper()


@dataclass(frozen=True, slots=True)
class InstrumentMaster:
    """A pure look-up of one day's instruments; build a new one when a broker publishes."""

    by_id: Mapping[InstrumentId, Instrument]
    by_native: Mapping[tuple[Broker, str], InstrumentId]
    natives: Mapping[tuple[Broker, InstrumentId], Listing]

    @classmethod
    def of(cls, listings: Iterable[Listing]) -> "InstrumentMaster":
        """Raises AlreadyExists when two instruments claim one name."""
        by_id: dict[InstrumentId, Instrument] = {}
        by_native: dict[tuple[Broker, str], InstrumentId] = {}
        natives: dict[tuple[Broker, InstrumentId], Listing] = {}
        for listing in listings:
            instrument_id = listing.instrument.instrument_id
            by_id[instrument_id] = listing.instrument
            natives[listing.broker, instrument_id] = listing
            for name in filter(None, (canonical(listing.symbol), listing.token)):
                if by_native.setdefault((listing.broker, name), instrument_id) != instrument_id:
                    raise AlreadyExists(f"{listing.broker} name", name)
        return cls(by_id, by_native, natives)

    def get(self, instrument_id: InstrumentId) -> Instrument:
        """Raises NotFound."""
        found = self.by_id.get(instrument_id)
        if found is None:
            raise NotFound("instrument", instrument_id)
        return found

    def native(self, broker: Broker, name: str) -> Instrument:
        """By the broker's trading symbol in any case, or by his token. Raises NotFound."""
        instrument_id = self.by_native.get((broker, canonical(name)))
        if instrument_id is None:
            raise NotFound(f"{broker} instrument", name)
        return self.by_id[instrument_id]

    def listing(self, broker: Broker, instrument_id: InstrumentId) -> Listing:
        """How a broker names an instrument. Raises NotFound where he does not trade it."""
        found = self.natives.get((broker, instrument_id))
        if found is None:
            raise NotFound(f"{broker} listing", instrument_id)
        return found

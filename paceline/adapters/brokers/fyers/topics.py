"""Which topic of the data socket tells the price of which instrument."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers.answers import UnreadableError, parse
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.errors import understood
from paceline.adapters.brokers.fyers.rest import send
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown
from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Credentials

_SYMBOLS_A_CALL: Final = 500
_TOKEN_AT: Final = 10
_INDEX: Final = "-INDEX"
_FEEDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1010": "nse_cm",
        "1011": "nse_fo",
        "1012": "cde_fo",
        "1020": "nse_com",
        "1120": "mcx_fo",
        "1210": "bse_cm",
        "1211": "bse_fo",
        "1212": "bcs_fo",
    }
)


class Topics:
    """Asks the broker for the tokens of symbols, and once for the names of its indices."""

    def __init__(self, settings: FyersSettings, egresses: Egresses) -> None:
        self._tokens_url = URL(settings.data_url) / "symbol-token"
        self._indices_url = URL(settings.symbols_url) / "index_hsm_mapping.json"
        self._retry_after_ms = settings.retry_after_ms
        self._egresses = egresses
        self._indices: Mapping[str, str] | None = None

    async def of(
        self, instruments: Sequence[InstrumentId], credentials: Credentials
    ) -> dict[InstrumentId, str]:
        """Those the broker knows."""
        tokens: dict[str, str] = {}
        for start in range(0, len(instruments), _SYMBOLS_A_CALL):
            tokens |= await self._tokens(instruments[start : start + _SYMBOLS_A_CALL], credentials)
        if any(symbol.endswith(_INDEX) for symbol in tokens) and self._indices is None:
            self._indices = await self._index_names(credentials)
        named = {symbol: topic_name(symbol, token, self._indices or {}) for symbol, token in tokens.items()}
        return {InstrumentId(symbol): name for symbol, name in named.items() if name}

    async def _tokens(self, instruments: Sequence[InstrumentId], credentials: Credentials) -> dict[str, str]:
        headers = CIMultiDict(
            {"Authorization": credentials.token.reveal(), "Content-Type": "application/json"}
        )
        body = json.dumps({"symbols": list(instruments)}).encode()
        answer = await send(
            self._egresses, "POST", self._tokens_url, headers, body=body, egress=credentials.egress
        )
        valid = understood(answer, retry_after_ms=self._retry_after_ms).get("validSymbol")
        if not isinstance(valid, dict):
            raise BrokerOutcomeUnknown("the answer holds no validSymbol")
        return {symbol: token for symbol, token in valid.items() if isinstance(token, str)}

    async def _index_names(self, credentials: Credentials) -> Mapping[str, str]:
        """Without the list an index goes by the middle of its symbol, as the vendor's client does."""
        try:
            answer = await send(
                self._egresses, "GET", self._indices_url, CIMultiDict(), egress=credentials.egress
            )
            names = parse(answer.body)
        except (BrokerError, UnreadableError):
            return {}
        return names if isinstance(names, dict) else {}


def topic_name(symbol: str, token: str, indices: Mapping[str, str]) -> str | None:
    """`sf|nse_cm|3045`, `if|nse_cm|Nifty 50`; None for an exchange segment that no feed carries."""
    feed = _FEEDS.get(token[:4])
    if feed is None:
        return None
    if not symbol.endswith(_INDEX):
        return f"sf|{feed}|{token[_TOKEN_AT:]}"
    middle = symbol.partition(":")[2].removesuffix(_INDEX)
    return f"if|{feed}|{indices.get(symbol, middle)}"

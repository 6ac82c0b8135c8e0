"""Fyers API v3: an own asyncio client, because the vendor's cannot tell *not sent* from *unknown*.

Every part takes the same `Egresses`: one set of connections per process, closed by whoever made it.
"""

from paceline.adapters.brokers.fyers.adapter import Fyers
from paceline.adapters.brokers.fyers.auth import FyersLogins
from paceline.adapters.brokers.fyers.data_socket import FyersTickStreams
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.order_socket import FyersOrderStreams
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.adapters.brokers.fyers.symbols import FyersSymbols

__all__ = [
    "Egresses",
    "Fyers",
    "FyersLogins",
    "FyersOrderStreams",
    "FyersSettings",
    "FyersSymbols",
    "FyersTickStreams",
]

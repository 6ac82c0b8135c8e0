"""Opening a WebSocket to the broker."""

import asyncio
from collections.abc import Mapping
from typing import Final

import aiohttp

from paceline.adapters.brokers.fyers.egress import Door
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.errors import BrokerAuthFailed, Unavailable

_REFUSED: Final = frozenset({401, 403})
_MS: Final = 1_000


async def shake_hands(
    door: Door,
    url: str,
    headers: Mapping[str, str],
    settings: FyersSettings,
    *,
    heartbeat_ms: int = 0,
) -> aiohttp.ClientWebSocketResponse:
    """Raises `BrokerAuthFailed` for a refused token, `Unavailable` for everything else, slowness too."""
    try:
        async with asyncio.timeout(settings.handshake_timeout_ms / _MS):
            return await door.session.ws_connect(
                url,
                headers=headers,
                max_msg_size=settings.frame_max_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=settings.close_timeout_ms / _MS),
                heartbeat=heartbeat_ms / _MS or None,
                proxy=door.proxy,
                proxy_headers=door.proxy_headers,
            )
    except aiohttp.WSServerHandshakeError as error:
        if error.status in _REFUSED:
            raise BrokerAuthFailed("the socket refused the token", code=str(error.status)) from error
        raise Unavailable(f"the socket's handshake failed with HTTP {error.status}") from error
    except TimeoutError:
        raise Unavailable(f"no handshake within {settings.handshake_timeout_ms} ms") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(f"the socket cannot be reached: {error}") from error

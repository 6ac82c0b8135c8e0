"""One request of one account: sent at most once, and never silently lost."""

import asyncio
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers.answers import Answer
from paceline.adapters.brokers.fyers.egress import Door, Egresses
from paceline.adapters.brokers.fyers.phases import MarkedBody, lost

_CONNECTIONS_TRIED: Final = 3


async def send(
    egresses: Egresses,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    *,
    body: bytes | None = None,
    egress: str = "",
) -> Answer:
    """The answer, whatever it says; without one `BrokerNeverSent` or `BrokerOutcomeUnknown`.

    A connection that the broker closed while it was idle is replaced here, because nothing left on it.
    """
    door = egresses.door(egress)
    marked = MarkedBody(body) if body is not None else None
    try:
        async with asyncio.timeout(egresses.request_max_s):
            for _ in range(_CONNECTIONS_TRIED - 1):
                try:
                    return await _exchange(door, method, url, headers, marked)
                except (aiohttp.ClientError, OSError):
                    if marked is None or not marked.stale:
                        raise
            return await _exchange(door, method, url, headers, marked)
    except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
        raise lost(error, marked) from error


async def _exchange(
    door: Door, method: str, url: URL, headers: CIMultiDict[str], body: MarkedBody | None
) -> Answer:
    async with door.session.request(
        method,
        url,
        data=body,
        headers=headers,
        allow_redirects=False,
        proxy=door.proxy,
        proxy_headers=door.proxy_headers,
    ) as response:
        return Answer(response.status, await response.read(), response.headers.get("Retry-After", ""))

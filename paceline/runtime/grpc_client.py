"""Channels to other services."""

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import grpc
import grpc.aio

from paceline.runtime.failure import SetupError
from paceline.runtime.grpc_client_calls import ClientCalls, InstrumentedChannel
from paceline.runtime.grpc_options import Tls, client_options, tls_of
from paceline.runtime.lifecycle import Runtime

_ATTEMPTS_MAX = 4


def retry_policy(idempotent: Iterable[str]) -> str | None:
    """A service config that retries these methods (`package.Service/Method`) while nobody answers."""
    names = [dict(zip(("service", "method"), each.split("/"), strict=True)) for each in idempotent]
    if not names:
        return None
    policy = {
        "maxAttempts": _ATTEMPTS_MAX,
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})


def open_channel(
    address: str,
    calls: ClientCalls,
    *,
    tls: Tls | None = None,
    tls_required: bool = False,
    idempotent: Iterable[str] = (),
) -> grpc.aio.Channel:
    """A channel with keepalives, a deadline on every unary call, and retries of idempotent methods only."""
    if tls is None and tls_required:
        raise SetupError("PACELINE_TLS_REQUIRED is set and there is no certificate to call with")
    options = client_options(retry_policy(idempotent), tls.server_name if tls else None)
    if tls is None:
        return InstrumentedChannel(grpc.aio.insecure_channel(address, options), calls)
    key, certificate = tls.pair()
    credentials = grpc.ssl_channel_credentials(tls.authority(), key, certificate)
    return InstrumentedChannel(grpc.aio.secure_channel(address, credentials, options), calls)


class ChannelPool:
    """One channel per address, opened on first use; the longest unused is closed when there are too many."""

    def __init__(
        self,
        calls: ClientCalls,
        *,
        tls: Tls | None = None,
        tls_required: bool = False,
        idempotent: Iterable[str] = (),
        channels_max: int = 256,
    ) -> None:
        self._calls = calls
        self._tls = tls
        self._tls_required = tls_required
        self._idempotent = tuple(idempotent)
        self._channels_max = channels_max
        self._channels: OrderedDict[str, grpc.aio.Channel] = OrderedDict()

    async def channel(self, address: str) -> grpc.aio.Channel:
        """The channel to an address."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = open_channel(
                address,
                self._calls,
                tls=self._tls,
                tls_required=self._tls_required,
                idempotent=self._idempotent,
            )
        self._channels.move_to_end(address)
        if len(self._channels) > self._channels_max:
            _, unused = self._channels.popitem(last=False)
            await unused.close()
        return channel

    async def discard(self, address: str) -> None:
        """Close the channel to an address that nobody answers at any more."""
        channel = self._channels.pop(address, None)
        if channel is not None:
            await channel.close()

    async def close(self) -> None:
        while self._channels:
            _, channel = self._channels.popitem()
            await channel.close()


def client_calls(runtime: Runtime[Any]) -> ClientCalls:
    """What the calls of a service share, as its settings say."""
    return ClientCalls(
        metrics=runtime.metrics,
        telemetry=runtime.telemetry,
        deadline_s=runtime.settings.rpc_deadline_ms / 1000,
    )


def channel_pool(runtime: Runtime[Any], *, idempotent: Iterable[str] = ()) -> ChannelPool:
    """The channels of a service; closed at its turn in the reverse order."""
    settings = runtime.settings
    pool = ChannelPool(
        client_calls(runtime),
        tls=tls_of(settings),
        tls_required=settings.tls_required,
        idempotent=idempotent,
    )
    runtime.on_stop("channels", pool.close)
    return pool

"""`WatchPortfolios` of every replica of risk as one stream; its token holds those of all of them."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc
import grpc.aio

from paceline.api.v1 import risk_pb2
from paceline.domain.errors import Invalid, Unavailable
from paceline.runtime.grpc_status import RpcRefusedError, status_of
from services.gateway.risk_door import RiskDoor

_AHEAD = 16
"""Responses that wait for a slow watcher; replicas wait behind them."""

_Told = tuple[str, risk_pb2.WatchPortfoliosResponse]


async def watch(
    door: RiskDoor, request: risk_pb2.WatchPortfoliosRequest, onward: Mapping[str, Any]
) -> AsyncIterator[risk_pb2.WatchPortfoliosResponse]:
    """Until the watcher leaves. `Unavailable` where a replica comes or goes: asked again with the newest
    token, the others tell what changed, and a new one all.
    """
    tokens = _tokens(request.resume_token)
    here = await door.everyone()
    behind = set(here)
    told: asyncio.Queue[_Told] = asyncio.Queue(_AHEAD)
    streams = [
        asyncio.create_task(_follow(door, each, _asked(request, tokens.get(each, "")), onward, told))
        for each in sorted(here)
    ]
    tokens = {each: token for each, token in tokens.items() if each in here}
    try:
        while True:
            address, response = await _next(told, streams)
            if door.routes.addresses() != here:
                raise Unavailable("replicas of risk came or went: ask again")
            tokens[address] = response.resume_token
            caught_up = response.caught_up and behind == {address}
            if response.caught_up:
                behind.discard(address)
            yield risk_pb2.WatchPortfoliosResponse(
                portfolios=response.portfolios, resume_token=_token(tokens), caught_up=caught_up
            )
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


async def _follow(
    door: RiskDoor,
    address: str,
    request: risk_pb2.WatchPortfoliosRequest,
    onward: Mapping[str, Any],
    told: "asyncio.Queue[_Told]",
) -> None:
    """Never returns: its end is one."""
    call = (await door.stub(address)).WatchPortfolios(request, **onward)
    try:
        async for response in call:
            await told.put((address, response))
    except grpc.aio.AioRpcError as problem:
        status = status_of(problem)
        if status.reason and status.code is not grpc.StatusCode.UNAVAILABLE:
            raise RpcRefusedError(status) from None
    finally:
        call.cancel()
    raise Unavailable("a replica of risk tells nothing any more: ask again")


async def _next(told: "asyncio.Queue[_Told]", streams: "list[asyncio.Task[None]]") -> _Told:
    """Raises what ended one of the streams, once all that was told before is told."""
    getting = asyncio.ensure_future(told.get())
    try:
        done, _ = await asyncio.wait({getting, *streams}, return_when=asyncio.FIRST_COMPLETED)
        if getting in done:
            return getting.result()
    finally:
        getting.cancel()
    for stream in streams:
        if stream.done():
            await stream
    raise Unavailable("the streams of risk ended")


def _asked(request: risk_pb2.WatchPortfoliosRequest, token: str) -> risk_pb2.WatchPortfoliosRequest:
    asked = risk_pb2.WatchPortfoliosRequest()
    asked.CopyFrom(request)
    asked.resume_token = token
    return asked


def _token(tokens: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(tokens, sort_keys=True).encode()).decode()


def _tokens(token: str) -> dict[str, str]:
    if not token:
        return {}
    try:
        found = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise Invalid("resume_token", "is no token of ours")
    return found

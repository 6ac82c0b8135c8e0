"""The simulated broker's control door, as the demo uses it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp


class ControlError(Exception):
    """The control door refused; its words."""


class Control:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, path: str, body: Mapping[str, object]) -> Any:
        return await self._ask("POST", path, json=body)

    async def delete(self, path: str) -> Any:
        return await self._ask("DELETE", path)

    async def patch(self, path: str, body: Mapping[str, object]) -> Any:
        return await self._ask("PATCH", path, json=body)

    async def get(self, path: str, **query: str) -> Any:
        return await self._ask("GET", path, params=query)

    async def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        if self._session is None:
            raise ControlError("the control door is used outside its block")
        async with self._session.request(method, self._url + path, **arguments) as response:
            document = await response.json()
            if response.status >= 400:
                raise ControlError(f"{method} {path}: {document.get('error', document)}")
            return document

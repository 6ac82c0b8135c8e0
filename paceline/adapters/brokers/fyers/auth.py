"""How a token is got: a person opens a link, the code they bring back is exchanged."""

import hashlib
import json
from typing import Final

from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers import tokens
from paceline.adapters.brokers.fyers.answers import JsonObject
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.errors import understood
from paceline.adapters.brokers.fyers.rest import send
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.errors import BrokerAuthFailed, BrokerLoginNeeded, BrokerRejected
from paceline.domain.secret import Secret
from paceline.ports.broker import NO_SECRET, AppCredentials, Tokens
from paceline.ports.clock import Clock

_HEADERS: Final = CIMultiDict({"Content-Type": "application/json", "version": "3"})


class FyersLogins:
    def __init__(self, settings: FyersSettings, egresses: Egresses, clock: Clock) -> None:
        self._auth = URL(settings.auth_url)
        self._egresses = egresses
        self._clock = clock
        self._retry_after_ms = settings.retry_after_ms

    def login_link(self, app: AppCredentials, state: str) -> str:
        """Where a person logs in; they come back to the app's redirect with `auth_code` and `state`."""
        query = {
            "client_id": app.app_id,
            "redirect_uri": app.redirect_uri,
            "response_type": "code",
            "state": state,
        }
        return str((self._auth / "generate-authcode").with_query(query))

    def described(self, access: Secret) -> Tokens:
        return self._described(access.reveal(), NO_SECRET)

    async def exchange_code(self, app: AppCredentials, code: Secret) -> Tokens:
        body = {"grant_type": "authorization_code", "appIdHash": _hash(app), "code": code.reveal()}
        return self._tokens(await self._post(app, "validate-authcode", body))

    async def refresh(self, app: AppCredentials, refresh_token: Secret, pin: Secret) -> Tokens:
        """Raises `BrokerLoginNeeded` where the broker wants the person again."""
        body = {
            "grant_type": "refresh_token",
            "appIdHash": _hash(app),
            "refresh_token": refresh_token.reveal(),
            "pin": pin.reveal(),
        }
        document = await self._post(app, "validate-refresh-token", body)
        return self._tokens({"refresh_token": refresh_token.reveal()} | document)

    async def _post(self, app: AppCredentials, path: str, body: dict[str, str]) -> JsonObject:
        answer = await send(
            self._egresses,
            "POST",
            self._auth / path,
            _HEADERS,
            body=json.dumps(body).encode(),
            egress=app.egress,
        )
        try:
            return understood(answer, retry_after_ms=self._retry_after_ms)
        except BrokerAuthFailed as error:
            raise BrokerLoginNeeded(error.words, code=error.code) from error

    def _tokens(self, document: JsonObject) -> Tokens:
        access, refresh = document.get("access_token"), document.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise BrokerRejected(
                f"the login says yes and brings no token: {document.get('message') or 'no words'}"
            )
        return self._described(access, Secret(refresh if isinstance(refresh, str) else ""))

    def _described(self, access: str, refresh: Secret) -> Tokens:
        client_id = tokens.claims(access).get("fy_id")
        return Tokens(
            access=Secret(access),
            refresh=refresh,
            expires_at_ns=tokens.expires_at_ns(access, self._clock.now_ns()),
            client_id=client_id if isinstance(client_id, str) else "",
        )


def _hash(app: AppCredentials) -> str:
    return hashlib.sha256(f"{app.app_id}:{app.secret.reveal()}".encode()).hexdigest()

"""Tokens and the login with a second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.clock import SECOND_NS
from simulator.fyers.words import (
    CODE_TOKEN_BAD,
    CODE_TOKEN_EXPIRED,
    CODE_TOKEN_INVALID,
    CODE_UNAUTHENTICATED,
    Words,
)

if TYPE_CHECKING:
    from simulator.clients import App, Client
    from simulator.clock import Clock

AUTH_CODE_TTL_NS = 300 * SECOND_NS
UNAUTHENTICATED = Words(CODE_UNAUTHENTICATED, "Could not authenticate the user")
TOKEN_INVALID = Words(CODE_TOKEN_INVALID, "Please provide a valid token")
TOKEN_EXPIRED = Words(CODE_TOKEN_EXPIRED, "Your token has expired, please generate a new one")


@dataclass(slots=True, eq=False)
class Token:
    text: str
    client: Client
    expires_wall_ns: int
    hsm_key: str
    fault: Words | None = None
    """Why it is no longer good before its time, if so."""


@dataclass(slots=True)
class AuthCode:
    client: Client
    expires_wall_ns: int


@dataclass(slots=True)
class PendingLogin:
    """A browser that stands at the login page."""

    id: str
    app: App
    redirect_uri: str
    state: str
    location: str = ""
    """Where it is sent, once a person approved."""


def app_hash(app: App) -> str:
    return hashlib.sha256(f"{app.id}:{app.secret}".encode()).hexdigest()


def _segment(part: dict[str, object]) -> str:
    raw = json.dumps(part, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Tokens:
    """Every token ever given out; what is not in here was not issued here."""

    def __init__(self, clock: Clock, seed: int, ttl_s: int, refresh_ttl_s: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._key = self._random.randbytes(32)
        self._ttl_ns = ttl_s * SECOND_NS
        self._refresh_ttl_ns = refresh_ttl_s * SECOND_NS
        self._by_header: dict[str, Token] = {}
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._codes: dict[str, AuthCode] = {}
        self._hsm_keys: dict[str, Token] = {}
        self.logins: dict[str, PendingLogin] = {}

    def issue(self, client: Client, ttl_s: float | None = None) -> Token:
        """A new access token; older ones stay good until they expire, as at Fyers."""
        ttl_ns = self._ttl_ns if ttl_s is None else round(ttl_s * SECOND_NS)
        token = self._sign(client, "access_token", ttl_ns)
        self._access[token.text] = token
        self._by_header[f"{client.app.id}:{token.text}"] = token
        self._hsm_keys[token.hsm_key] = token
        return token

    def issue_refresh(self, client: Client) -> Token:
        token = self._sign(client, "refresh_token", self._refresh_ttl_ns)
        self._refresh[token.text] = token
        return token

    def _sign(self, client: Client, subject: str, ttl_ns: int) -> Token:
        now = self._clock.wall_ns()
        hsm_key = self._random.randbytes(16).hex()
        claims: dict[str, object] = {
            "iss": "api.fyers.in",
            "sub": subject,
            "iat": now // SECOND_NS,
            "nbf": now // SECOND_NS,
            "exp": (now + ttl_ns) // SECOND_NS,
            "aud": ["x:0", "x:1", "d:1", "d:2"],
            "fy_id": client.id,
            "display_name": client.id,
            "appType": 100,
            "poa_flag": "N",
            "hsm_key": hsm_key,
        }
        body = f"{_segment({'typ': 'JWT', 'alg': 'HS256'})}.{_segment(claims)}"
        digest = hmac.new(self._key, body.encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return Token(f"{body}.{signature}", client, now + ttl_ns, hsm_key)

    def by_header(self, header: str) -> Token | Words:
        """Who this `APPID:token` is, or why it is nobody."""
        token = self._by_header.get(header)
        if token is None:
            return self._stranger(header)
        return self._checked(token)

    def by_text(self, text: str) -> Token | Words:
        """The same for a bare token."""
        token = self._access.get(text)
        if token is None:
            return UNAUTHENTICATED
        return self._checked(token)

    def knows_hsm_key(self, key: str) -> bool:
        """Whether the data socket may open for this key."""
        token = self._hsm_keys.get(key)
        return token is not None and isinstance(self._checked(token), Token)

    def _checked(self, token: Token) -> Token | Words:
        if token.fault is not None:
            return token.fault
        if token.expires_wall_ns <= self._clock.wall_ns():
            return TOKEN_EXPIRED
        return token

    def _stranger(self, header: str) -> Words:
        app_id, _, text = header.partition(":")
        if not app_id or not text:
            return UNAUTHENTICATED
        if text in self._access:
            return Words(
                CODE_UNAUTHENTICATED, "Could not authenticate the user, the app id does not match the token"
            )
        return TOKEN_INVALID

    def spoil(self, client_id: str | None, fault: Words) -> int:
        """Make every good access token of a client (None: of all) bad at once; gives how many."""
        spoilt = 0
        for token in self._access.values():
            if token.fault is None and client_id in {None, token.client.id}:
                token.fault = fault
                spoilt += 1
        return spoilt

    def revoke(self, text: str) -> None:
        """Logged out."""
        token = self._access.get(text)
        if token is not None:
            token.fault = Words(CODE_TOKEN_BAD, "Your token is either invalid or expired")

    def new_code(self, client: Client) -> str:
        """An auth code for one use."""
        code = self._sign(client, "auth_code", AUTH_CODE_TTL_NS).text
        self._codes[code] = AuthCode(client, self._clock.wall_ns() + AUTH_CODE_TTL_NS)
        return code

    def redeem(self, code: str, digest: str) -> Client | None:
        """The client of an auth code, once, for its own app."""
        found = self._codes.get(code)
        if found is None or found.expires_wall_ns <= self._clock.wall_ns():
            return None
        if not hmac.compare_digest(app_hash(found.client.app), digest):
            return None
        del self._codes[code]
        return found.client

    def meant_by(self, text: str) -> Client | None:
        """Whose code or refresh token this is, good or not."""
        code, refresh = self._codes.get(text), self._refresh.get(text)
        return code.client if code else refresh.client if refresh else None

    def refresher(self, text: str, digest: str, pin: str) -> Client | None:
        """The client of a refresh token that is good for this app and PIN."""
        found = self._refresh.get(text)
        if found is None or isinstance(self._checked(found), Words):
            return None
        client = found.client
        if not hmac.compare_digest(app_hash(client.app), digest) or pin != client.pin:
            return None
        return client

    def pend(self, app: App, redirect_uri: str, state: str) -> PendingLogin:
        login = PendingLogin(self._random.randbytes(8).hex(), app, redirect_uri, state)
        self.logins[login.id] = login
        return login

"""Accounts, their tokens, and the person who approves their logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.account import Holding
from simulator.control.body import Body, ControlError, Routes, Row, client, clients, market
from simulator.fyers import login, parse
from simulator.fyers.face import DEFAULT_APP, DEFAULT_PIN, DEFAULT_REDIRECT, DEFAULT_SECRET
from simulator.fyers.words import Words
from simulator.money import paise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.clients import Client
    from simulator.fyers.auth import Token
    from simulator.server import Simulator

DEFAULT_CASH_RUPEES = 10_000_000
MOST_AT_ONCE = 200_000


def create(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """One account, a list of `accounts`, or a `count` of them with a `prefix`; settings may be shared."""
    del path
    if "accounts" in body:
        wanted = body["accounts"]
        if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
            raise ControlError("accounts must be a list of objects")
        shared = {name: value for name, value in body.items() if name != "accounts"}
        return {"accounts": [_create_one(simulator, {**shared, **one}) for one in wanted]}
    if "count" in body:
        return {"accounts": [_create_one(simulator, one) for one in _numbered(body)]}
    return {"accounts": [_create_one(simulator, body)]}


def _numbered(body: Body) -> list[dict[str, object]]:
    count, start = parse.whole(body, "count"), parse.whole(body, "start", 1)
    prefix = parse.text(body, "prefix", "XF")
    if not 0 < count <= MOST_AT_ONCE:
        raise ControlError(f"count must be between 1 and {MOST_AT_ONCE}")
    return [{**body, "client_id": f"{prefix}{number:05d}"} for number in range(start, start + count)]


def _create_one(simulator: Simulator, body: Body) -> Row:
    face = simulator.face
    app = face.app(
        parse.text(body, "app_id", DEFAULT_APP),
        parse.text(body, "secret", DEFAULT_SECRET),
        parse.text(body, "redirect_uri", DEFAULT_REDIRECT),
    )
    made = face.add_client(
        parse.text(body, "client_id"),
        app=app,
        cash=paise(parse.number(body, "cash", DEFAULT_CASH_RUPEES)),
        pin=parse.text(body, "pin", DEFAULT_PIN),
        instant_approve=parse.flag(body, "instant_approve"),
        name=parse.text(body, "name", ""),
        holdings=[_holding(simulator, one) for one in body.get("holdings", ())],
    )
    made.ddpi = body.get("ddpi", True) is True
    if parse.flag(body, "watch"):
        simulator.truth.watch(made.id)
    return described(made) | _token_of(simulator, made, body)


def _holding(simulator: Simulator, body: Body) -> Holding:
    instrument = market(simulator, parse.text(body, "symbol")).instrument
    return Holding(instrument, parse.whole(body, "qty"), parse.price(body, "cost"))


def _token_of(simulator: Simulator, made: Client, body: Body) -> Row:
    if body.get("token", True) is not True:
        return {"access_token": "", "refresh_token": "", "authorization": ""}
    ttl = parse.number(body, "token_ttl_s") if "token_ttl_s" in body else None
    token = simulator.face.tokens.issue(made, ttl)
    refresh = simulator.face.tokens.issue_refresh(made)
    return shown_token(token) | {"refresh_token": refresh.text}


def shown_token(token: Token) -> Row:
    return {
        "access_token": token.text,
        "authorization": f"{token.client.app.id}:{token.text}",
        "expires_wall_ns": token.expires_wall_ns,
    }


def described(one: Client) -> Row:
    return {
        "client_id": one.id,
        "app_id": one.app.id,
        "secret": one.app.secret,
        "redirect_uri": one.app.redirect_uri,
        "pin": one.pin,
        "instant_approve": one.instant_approve,
    }


def listed(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del path
    return {"accounts": [described(one) for one in clients(simulator, body)]}


def new_token(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Another access token, as if a person had just logged in elsewhere; `ttl_s` for a short life."""
    made = client(simulator, {**body, **path})
    ttl = parse.number(body, "ttl_s") if "ttl_s" in body else None
    return shown_token(simulator.face.tokens.issue(made, ttl))


def change(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`cash` in rupees, `instant_approve`, `pin`, `ddpi`."""
    made = client(simulator, {**body, **path})
    if "cash" in body:
        made.account.cash = paise(parse.number(body, "cash"))
    if "instant_approve" in body:
        made.instant_approve = parse.flag(body, "instant_approve")
    if "ddpi" in body:
        made.ddpi = parse.flag(body, "ddpi")
    made.pin = parse.text(body, "pin", made.pin)
    return described(made)


def logins(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Browsers that stand at the login page."""
    del body, path
    rows = [
        {"login_id": one.id, "app_id": one.app.id, "state": one.state, "location": one.location}
        for one in simulator.face.tokens.logins.values()
    ]
    return {"logins": rows}


def approve(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """A person approves: gives the address with the auth code, to which the browser would go."""
    waiting = simulator.face.tokens.logins.get(path["login_id"])
    if waiting is None:
        raise ControlError(f"login {path['login_id']} is unknown")
    made = client(simulator, body)
    if made.app is not waiting.app:
        raise ControlError(f"client_id {made.id} belongs to another app")
    return {"location": login.approve(simulator.face, waiting, made)}


def auth_code(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """An auth code without a browser."""
    return {"auth_code": simulator.face.tokens.new_code(client(simulator, {**body, **path}))}


def check_token(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Whether an `authorization` value is good now."""
    del path
    found = simulator.face.tokens.by_header(parse_authorization(body))
    if isinstance(found, Words):
        return {"good": False, "code": found.code, "message": found.message}
    return {"good": True, "client_id": found.client.id}


def parse_authorization(body: Body) -> str:
    value = body.get("authorization")
    if not isinstance(value, str):
        raise ControlError("authorization must be a text")
    return value


ROUTES: Routes = (
    ("POST", "/accounts", create),
    ("GET", "/accounts", listed),
    ("PATCH", "/accounts/{client_id}", change),
    ("POST", "/accounts/{client_id}/token", new_token),
    ("POST", "/accounts/{client_id}/auth-code", auth_code),
    ("GET", "/logins", logins),
    ("POST", "/logins/{login_id}/approve", approve),
    ("POST", "/tokens/check", check_token),
)

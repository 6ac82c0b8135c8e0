"""The way to a token: the login page, the person who approves, and the exchange of the code."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from simulator.fyers import parse
from simulator.fyers.answer import UNAUTHORIZED, Answer, failure, ok
from simulator.fyers.auth import app_hash
from simulator.fyers.words import CODE_APP_ID, CODE_PARAMETERS, CODE_TOKEN_INVALID, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.clients import Client
    from simulator.fyers.auth import PendingLogin
    from simulator.fyers.face import Face

FOUND = 302
BAD_APP = Words(CODE_APP_ID, "Invalid app id")
BAD_HASH = Words(CODE_APP_ID, "Invalid app id hash")
BAD_CODE = Words(CODE_TOKEN_INVALID, "Please provide a valid auth code")
BAD_REFRESH = Words(CODE_TOKEN_INVALID, "Please provide a valid refresh token and pin")
NO_REFRESH = Words(CODE_TOKEN_INVALID, "Refresh tokens are no longer supported, please log in")
APP_BLOCKED = Words(CODE_APP_ID, "Your app is blocked, please contact support")
BAD_REDIRECT = Words(CODE_PARAMETERS, "redirect_uri does not match the app")

PAGE = """<!doctype html><html><head><title>FYERS login (simulated)</title></head><body>
<h1>Log in to {app}</h1>
<form method="post" action="/api/v3/generate-authcode">
<input type="hidden" name="login_id" value="{login}">
<label>Client id <input name="client_id"></label>
<label>PIN <input name="pin" type="password"></label>
<label>TOTP <input name="totp"></label>
<button>Allow</button>
</form></body></html>"""


def generate_authcode(face: Face, query: Mapping[str, str]) -> Answer:
    """A redirect for one that approves instantly (named by `fy_id`, or alone on its app), else the page."""
    app = face.apps.get(query.get("client_id", ""))
    if app is None:
        return failure(BAD_APP)
    if query.get("response_type") != "code":
        return failure(Words(CODE_PARAMETERS, "response_type should be code"))
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri != app.redirect_uri:
        return failure(BAD_REDIRECT)
    login = face.tokens.pend(app, redirect_uri, query.get("state", ""))
    client = _instant(face, app.id, query.get("fy_id", ""))
    if client is not None:
        return redirect(approve(face, login, client))
    page = PAGE.format(app=html.escape(app.id), login=login.id)
    return Answer(page.encode(), content_type="text/html")


def _instant(face: Face, app_id: str, fy_id: str) -> Client | None:
    if fy_id:
        named = face.clients.get(fy_id)
        return named if named and named.instant_approve and named.app.id == app_id else None
    ready = [one for one in face.clients.values() if one.instant_approve and one.app.id == app_id]
    return ready[0] if len(ready) == 1 else None


def submit(face: Face, form: Mapping[str, str]) -> Answer:
    """A person filled in the page."""
    login = face.tokens.logins.get(form.get("login_id", ""))
    client = face.clients.get(form.get("client_id", ""))
    if login is None or client is None or client.app is not login.app or form.get("pin") != client.pin:
        return failure(Words(CODE_PARAMETERS, "Invalid client id, PIN or TOTP"), UNAUTHORIZED)
    return redirect(approve(face, login, client))


def approve(face: Face, login: PendingLogin, client: Client) -> str:
    """The address to which the browser of a login goes once this client approved."""
    code = face.tokens.new_code(client)
    query = urlencode({"s": "ok", "code": 200, "auth_code": code, "state": login.state})
    joint = "&" if "?" in login.redirect_uri else "?"
    login.location = f"{login.redirect_uri}{joint}{query}"
    return login.location


def redirect(location: str) -> Answer:
    return Answer(b"", FOUND, {"Location": location}, content_type="text/html")


def named(face: Face, body: bytes) -> Client | None:
    """Who the body of a login speaks of, as far as it can be read."""
    try:
        wish = parse.json_object(body)
    except parse.BadBodyError:
        return None
    text = wish.get("code", wish.get("refresh_token"))
    return face.tokens.meant_by(text) if isinstance(text, str) else None


def validate_authcode(face: Face, body: bytes) -> Answer:
    wish = parse.json_object(body)
    if wish.get("grant_type") != "authorization_code":
        raise parse.BadBodyError.field("grant_type")
    digest = parse.text(wish, "appIdHash")
    if all(app_hash(app) != digest for app in face.apps.values()):
        return failure(BAD_HASH)
    code = wish.get("code")
    client = face.tokens.redeem(code, digest) if isinstance(code, str) else None
    if client is None:
        return failure(BAD_CODE, UNAUTHORIZED)
    client.logins += 1
    access, refresh = face.tokens.issue(client), face.tokens.issue_refresh(client)
    return ok(access_token=access.text, refresh_token=refresh.text)


def validate_refresh_token(face: Face, body: bytes) -> Answer:
    wish = parse.json_object(body)
    if wish.get("grant_type") != "refresh_token":
        raise parse.BadBodyError.field("grant_type")
    if not face.settings.refresh_supported:
        return failure(NO_REFRESH, UNAUTHORIZED)
    token, digest = wish.get("refresh_token"), parse.text(wish, "appIdHash")
    pin = str(wish.get("pin", ""))
    client = face.tokens.refresher(token, digest, pin) if isinstance(token, str) else None
    if client is None:
        return failure(BAD_REFRESH, UNAUTHORIZED)
    client.refreshes += 1
    return ok(access_token=face.tokens.issue(client).text)

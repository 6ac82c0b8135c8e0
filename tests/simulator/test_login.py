"""Tokens: how they are got, what they say, how they end."""

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from simulator.clients import App, Client
from simulator.fyers.auth import app_hash
from tests.simulator.kit import Broker, Row

REDIRECT = "http://127.0.0.1/redirect"


def query(app: App, **changes: str) -> dict[str, str]:
    params = {"client_id": app.id, "redirect_uri": app.redirect_uri, "response_type": "code", "state": "abc"}
    return params | changes


async def visit(broker: Broker, **params: str) -> tuple[int, str, str]:
    """Status, location and text of the login page."""
    url = f"{broker.served.urls.auth_url}/generate-authcode"
    async with broker.session.get(url, params=params, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", ""), await response.text()


async def post(broker: Broker, path: str, body: Row) -> tuple[int, Row]:
    async with broker.session.post(broker.served.urls.auth_url + path, json=body) as response:
        return response.status, await response.json()


def code_in(location: str) -> str:
    parts = parse_qs(urlsplit(location).query)
    assert parts["s"] == ["ok"]
    assert parts["state"] == ["abc"]
    return parts["auth_code"][0]


async def redeem(broker: Broker, client: Client, code: str) -> tuple[int, Row]:
    wish = {"grant_type": "authorization_code", "appIdHash": app_hash(client.app), "code": code}
    return await post(broker, "/validate-authcode", wish)


async def test_an_instant_client_is_redirected_and_its_code_becomes_a_token(broker: Broker) -> None:
    client = broker.client(instant_approve=True)
    status, location, _ = await visit(broker, **query(client.app))
    assert status == 302

    status, answer = await redeem(broker, client, code_in(location))

    assert (status, answer["s"], answer["code"]) == (200, "ok", 200)
    key = f"{client.app.id}:{answer['access_token']}"
    assert (await broker.call(key, "GET", "/profile"))[1]["data"]["fy_id"] == client.id
    assert client.logins == 1
    assert (await redeem(broker, client, code_in(location)))[0] == 401


async def test_the_token_carries_its_end_and_the_key_of_the_data_socket(broker: Broker) -> None:
    token = broker.served.face.tokens.issue(broker.client(), ttl_s=60)
    _, payload, _ = token.text.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == 60
    assert claims["fy_id"] == "XP00001"
    assert broker.served.face.tokens.knows_hsm_key(claims["hsm_key"])
    assert not broker.served.face.tokens.knows_hsm_key("guess")


async def test_otherwise_a_person_approves_at_the_control_door(broker: Broker) -> None:
    client = broker.client()
    status, _, page = await visit(broker, **query(client.app))
    assert (status, "<form" in page) == (200, True)
    (waiting,) = (await broker.control("GET", "/logins"))["logins"]

    answer = await broker.control("POST", f"/logins/{waiting['login_id']}/approve", client_id=client.id)

    assert (await redeem(broker, client, code_in(answer["location"])))[0] == 200
    assert "error" in await broker.control("POST", "/logins/none/approve", client_id=client.id)
    app = broker.served.face.app("OTHER-100")
    stranger = broker.client("XP00002", app=app)
    path = f"/logins/{waiting['login_id']}/approve"
    assert "another app" in (await broker.control("POST", path, client_id=stranger.id))["error"]


@pytest.mark.parametrize(("pin", "status"), [("1234", 302), ("9999", 401)])
async def test_or_fills_in_the_page(broker: Broker, pin: str, status: int) -> None:
    client = broker.client()
    await visit(broker, **query(client.app))
    (waiting,) = (await broker.control("GET", "/logins"))["logins"]
    form = {"login_id": waiting["login_id"], "client_id": client.id, "pin": pin, "totp": "123456"}
    url = f"{broker.served.urls.auth_url}/generate-authcode"
    async with broker.session.post(url, data=form, allow_redirects=False) as response:
        assert response.status == status


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": "nobody"}, -352),
        ({"response_type": "token"}, -50),
        ({"redirect_uri": "http://evil"}, -50),
    ],
)
async def test_the_page_is_for_known_apps(broker: Broker, changes: dict[str, str], code: int) -> None:
    client = broker.client()
    status, _, text = await visit(broker, **query(client.app, **changes))
    assert (status, json.loads(text)["code"]) == (400, code)


async def test_of_many_instant_clients_one_is_named(broker: Broker) -> None:
    first, second = (broker.client(f"XP0000{n}", instant_approve=True) for n in (1, 2))
    assert (await visit(broker, **query(first.app)))[0] == 200
    _, location, _ = await visit(broker, **query(first.app, fy_id=second.id))
    _, answer = await redeem(broker, second, code_in(location))
    key = f"{second.app.id}:{answer['access_token']}"
    assert (await broker.call(key, "GET", "/profile"))[1]["data"]["fy_id"] == second.id
    assert (await visit(broker, **query(first.app, fy_id="nobody")))[0] == 200


async def test_codes_are_for_their_app_and_grant(broker: Broker) -> None:
    client = broker.client()
    code = (await broker.control("POST", f"/accounts/{client.id}/auth-code"))["auth_code"]
    wish = {"grant_type": "authorization_code", "appIdHash": "0" * 64, "code": code}
    assert (await post(broker, "/validate-authcode", wish))[1]["code"] == -352
    assert (await post(broker, "/validate-authcode", wish | {"grant_type": "x"}))[1]["code"] == -50
    other = broker.client("XP00002", app=broker.served.face.app("OTHER-100"))
    assert (await redeem(broker, other, code))[0] == 401
    assert (await redeem(broker, client, code))[0] == 200


async def test_a_refresh_token_makes_access_tokens_while_it_is_supported(broker: Broker) -> None:
    client = broker.client()
    code = (await broker.control("POST", f"/accounts/{client.id}/auth-code"))["auth_code"]
    _, answer = await redeem(broker, client, code)
    wish = {
        "grant_type": "refresh_token",
        "appIdHash": app_hash(client.app),
        "refresh_token": answer["refresh_token"],
        "pin": "1234",
    }
    status, fresh = await post(broker, "/validate-refresh-token", wish)
    assert (status, client.refreshes) == (200, 1)
    assert (await broker.call(f"{client.app.id}:{fresh['access_token']}", "GET", "/funds"))[0] == 200

    for change in ({"pin": "0"}, {"refresh_token": "x"}, {"refresh_token": 5}, {"appIdHash": "0" * 64}):
        assert (await post(broker, "/validate-refresh-token", wish | change))[0] == 401
    assert (await post(broker, "/validate-refresh-token", wish | {"grant_type": "x"}))[0] == 400
    broker.served.settings.refresh_supported = False
    assert (await post(broker, "/validate-refresh-token", wish))[0] == 401


@pytest.mark.parametrize(
    ("header", "code"),
    [("", -16), ("APP-100", -16), ("APP-100:", -16), ("SIM0000001-100:made.up.token", -15)],
)
async def test_strangers_are_told_apart(broker: Broker, header: str, code: int) -> None:
    status, answer = await broker.call(header, "GET", "/profile")
    assert (status, answer["code"]) == (401, code)


async def test_a_token_is_for_its_own_app(broker: Broker) -> None:
    token = broker.served.face.tokens.issue(broker.client())
    status, answer = await broker.call(f"OTHER-100:{token.text}", "GET", "/profile")
    assert (status, answer["code"]) == (401, -16)


async def test_tokens_end_by_time_by_logout_and_by_command(broker: Broker) -> None:
    client = broker.client()
    short = broker.served.face.tokens.issue(client, ttl_s=1).text
    broker.exchange.clock.advance(2)
    assert (await broker.call(f"{client.app.id}:{short}", "GET", "/profile"))[1]["code"] == -8

    key = broker.authorization(client)
    assert (await broker.call(key, "POST", "/logout"))[0] == 200
    assert (await broker.call(key, "GET", "/profile"))[1]["code"] == -17

    key = broker.authorization(client)
    assert (await broker.control("POST", "/tokens/check", authorization=key))["good"]
    answer = await broker.control("POST", "/tokens/expire", client_id=client.id, code=-15)
    assert answer["expired"] == 2
    assert (await broker.call(key, "GET", "/profile"))[1]["code"] == -15
    assert not (await broker.control("POST", "/tokens/check", authorization=key))["good"]


async def test_everybody_can_be_logged_out_at_once(broker: Broker) -> None:
    keys = [broker.authorization(broker.client(f"XP0000{n}")) for n in range(3)]
    assert (await broker.control("POST", "/tokens/expire"))["expired"] == 3
    for key in keys:
        assert (await broker.call(key, "GET", "/profile"))[1]["code"] == -8
    assert (await broker.control("GET", "/faults"))["hits"] == {"tokens_expired": 3}


async def test_logins_go_through_the_faults_and_are_counted(broker: Broker) -> None:
    made = (await broker.control("POST", "/accounts", client_id="XF1"))["accounts"][0]
    client = broker.served.face.clients["XF1"]
    body: Row = {
        "grant_type": "refresh_token",
        "appIdHash": app_hash(client.app),
        "refresh_token": made["refresh_token"],
        "pin": client.pin,
    }
    await broker.control("POST", "/faults", kind="app_blocked", accounts=["XF1"], next=1)
    status, answer = await post(broker, "/validate-refresh-token", body)
    assert (status, answer["code"]) == (400, -352)
    await broker.control("POST", "/faults", kind="server_5xx", calls=["refresh"], next=1)
    url = f"{broker.served.urls.auth_url}/validate-refresh-token"
    async with broker.session.post(url, json=body) as response:
        assert (response.status, response.content_type) == (502, "text/html")
    status, answer = await post(broker, "/validate-refresh-token", body)
    assert (status, bool(answer["access_token"])) == (200, True)
    shown = (await broker.control("GET", "/stats"))["accounts"]["XF1"]
    assert (shown["login_attempts"], shown["refreshes"]) == (3, 1)

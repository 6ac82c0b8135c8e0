"""A person's login: a link whose state proves itself; tokens kept sealed, of the right client only."""

import pytest

from paceline.domain.account import Broker
from paceline.domain.errors import BrokerLoginNeeded, FailedPrecondition, Invalid
from paceline.domain.secret import Secret
from paceline.ports.broker import Tokens
from paceline.ports.sessions import SessionId
from services.feed.login import LoginDesk
from tests.unit.domain.given import FOLLOWER, LEADER
from tests.unit.feed.house import House, an_account
from tests.unit.feed.stores import SEAL

CODE = Secret("the-code")


@pytest.fixture
def desk(house: House) -> LoginDesk:
    house.know(an_account(FOLLOWER))
    return LoginDesk(
        house.accounts,  # type: ignore[arg-type]
        house.sessions,  # type: ignore[arg-type]
        house.book,
        house.credentials,
        house.shared.doors,
        SEAL,
        house.clock,
    )


def exchanged(house: House, client: str = "LEADER") -> None:
    expires_ns = house.clock.now_ns() + 3_600_000_000_000
    house.broker.exchanged = Tokens(Secret("new-access"), Secret("new-refresh"), expires_ns, client)


async def test_the_code_of_the_link_becomes_the_accounts_sealed_tokens(house: House, desk: LoginDesk) -> None:
    link = await desk.start(LEADER)
    assert link.state in link.url
    assert LEADER not in link.state
    exchanged(house)
    await desk.complete_with_code(LEADER, link.state, CODE)
    assert (await house.credentials.fresh(LEADER)).token == Secret("new-access")
    stored = house.sessions.sealed[SessionId(LEADER)]
    assert stored.token is not None
    assert stored.refresh is not None
    assert b"new-access" not in bytes(stored.token)
    assert b"new-refresh" not in bytes(stored.refresh)


@pytest.mark.parametrize("state", ["", "?", "AAAA", "x" * 200])
async def test_a_state_that_is_none_of_ours_is_refused(desk: LoginDesk, state: str) -> None:
    with pytest.raises(Invalid, match="must be the one that StartLogin gave"):
        await desk.complete_with_code(LEADER, state, CODE)


async def test_a_state_is_good_for_its_account_and_for_its_time(house: House, desk: LoginDesk) -> None:
    link = await desk.start(LEADER)
    with pytest.raises(Invalid, match="another account"):
        await desk.complete_with_code(FOLLOWER, link.state, CODE)
    house.clock.advance(15 * 60 + 1)
    with pytest.raises(Invalid, match="has expired"):
        await desk.complete_with_code(LEADER, link.state, CODE)


async def test_another_clients_login_is_refused_and_changes_nothing(house: House, desk: LoginDesk) -> None:
    link = await desk.start(LEADER)
    exchanged(house, client="XOTHER")
    before = dict(house.sessions.sealed)
    with pytest.raises(FailedPrecondition, match="logged XOTHER in, and not LEADER"):
        await desk.complete_with_code(LEADER, link.state, CODE)
    house.broker.client_of_token["theirs"] = "XOTHER"
    with pytest.raises(FailedPrecondition):
        await desk.complete_with_token(LEADER, Secret("theirs"))
    assert house.sessions.sealed == before


async def test_a_token_got_elsewhere_is_kept_until_its_own_end(house: House, desk: LoginDesk) -> None:
    await desk.complete_with_token(FOLLOWER, Secret("elsewhere"))
    assert (await house.credentials.fresh(FOLLOWER)).token == Secret("elsewhere")
    house.clock.advance(3_601)
    with pytest.raises(BrokerLoginNeeded):
        house.credentials.get(FOLLOWER)


async def test_a_broker_without_a_door_cannot_be_logged_in_to(house: House, desk: LoginDesk) -> None:
    house.accounts.rows[LEADER] = an_account(broker=Broker.DHAN)
    with pytest.raises(FailedPrecondition, match="dhan"):
        await desk.start(LEADER)

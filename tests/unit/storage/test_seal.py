"""Secrets at rest: every key opens, the first seals, and nothing opens elsewhere."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.seal import KeyringSeal
from paceline.domain.errors import Invalid
from paceline.ports.seal import Sealed

OLD, NEW = (f"{name}:{b64encode(bytes([n]) * 32).decode()}" for n, name in enumerate(("old", "new")))
PLACE = "account:fyers:XV20986"


@given(secret=st.binary(max_size=300), place=st.text(max_size=40))
def test_what_is_sealed_opens_in_its_place(secret: bytes, place: str) -> None:
    seal = KeyringSeal.from_text(NEW)
    assert seal.unseal(seal.seal(secret, place), place) == secret


def test_rotation_opens_the_old_and_seals_with_the_new() -> None:
    sealed = KeyringSeal.from_text(OLD).seal(b"pin", PLACE)
    both = KeyringSeal.from_text(f"{NEW}, {OLD}")
    assert both.unseal(sealed, PLACE) == b"pin"
    assert both.stale(sealed)
    again = both.seal(b"pin", PLACE)
    assert not both.stale(again)
    assert KeyringSeal.from_text(NEW).unseal(again, PLACE) == b"pin"


def test_a_secret_moved_elsewhere_does_not_open() -> None:
    seal = KeyringSeal.from_text(NEW)
    sealed = seal.seal(b"pin", PLACE)
    with pytest.raises(Invalid, match="belongs somewhere else"):
        seal.unseal(sealed, "account:fyers:XOTHER")


@given(st.data())
def test_an_altered_secret_does_not_open(data: st.DataObject) -> None:
    seal = KeyringSeal.from_text(NEW)
    sealed = bytearray(seal.seal(b"pin", PLACE))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Invalid):
        seal.unseal(Sealed(bytes(sealed)), PLACE)


@given(st.binary(max_size=40))
def test_what_was_never_sealed_is_refused(stored: bytes) -> None:
    with pytest.raises(Invalid):
        KeyringSeal.from_text(NEW).unseal(Sealed(stored), PLACE)


def test_a_key_that_is_gone_is_named() -> None:
    sealed = KeyringSeal.from_text(OLD).seal(b"pin", PLACE)
    with pytest.raises(Invalid, match="'old' is not in the keyring"):
        KeyringSeal.from_text(NEW).unseal(sealed, PLACE)


@pytest.mark.parametrize(
    ("keyring", "words"),
    [
        ("", "key 1 must have 16, 24 or 32 bytes"),
        ("é" * 200 + ":AAAA", "key 1 needs an id"),
        (f"{NEW},{NEW}", "key 2 needs an id of its own"),
        ("a:PLANTED-SECRET!", "key 1 is not base64"),
        ("a:" + b64encode(b"short").decode(), "key 1 must have 16, 24 or 32 bytes"),
    ],
)
def test_a_broken_keyring_is_refused_without_quoting_it(keyring: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        KeyringSeal.from_text(keyring)
    assert "PLANTED" not in str(refused.value)


def test_a_key_without_an_id_is_named_by_its_hash() -> None:
    bare = NEW.partition(":")[2]
    alone = KeyringSeal.from_text(bare)
    rotated = KeyringSeal.from_text(f"{OLD},{bare}")
    assert rotated.unseal(alone.seal(b"pin", PLACE), PLACE) == b"pin"
    assert bare not in repr(alone)


def test_no_key_shows_in_a_repr() -> None:
    assert repr(KeyringSeal.from_text(f"{NEW},{OLD}")) == "KeyringSeal(new, old)"


def test_keys_are_told_apart_by_name() -> None:
    old, both = KeyringSeal.from_text(OLD), KeyringSeal.from_text(f"{NEW}, {OLD}")
    assert both.names == ("new", "old")
    assert both.key_of(old.seal(b"pin", PLACE)) == "old"
    with pytest.raises(Invalid, match="not a sealed value"):
        both.key_of(Sealed(b"rubbish"))


def test_a_key_may_be_of_either_alphabet_with_or_without_padding() -> None:
    key = b64encode(b"\xfb\xff" * 16).decode()
    sealed = KeyringSeal.from_text(f"one:{key}").seal(b"pin", PLACE)
    spelled = key.replace("+", "-").replace("/", "_").rstrip("=")
    assert KeyringSeal.from_text(f"one:{spelled}").unseal(sealed, PLACE) == b"pin"

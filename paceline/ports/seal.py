"""Secrets at rest."""

from typing import NewType, Protocol

Sealed = NewType("Sealed", bytes)
"""A secret as it may be stored: useless without the keyring and the context it was sealed in."""


class Seal(Protocol):
    def seal(self, secret: bytes, context: str) -> Sealed:
        """Under the newest key. `context` names the place (`account:fyers:XV20986`): elsewhere it will not
        open.
        """
        ...

    def unseal(self, sealed: Sealed, context: str) -> bytes:
        """Under whichever key it was sealed; `Invalid` when it was altered, moved, or its key is gone."""
        ...

    def stale(self, sealed: Sealed) -> bool:
        """Sealed under an older key: seal it again."""
        ...


class Keyring(Seal, Protocol):
    """A seal that tells its keys apart by their names, never by what they are."""

    @property
    def names(self) -> tuple[str, ...]:
        """The newest, which seals, first."""
        ...

    def key_of(self, sealed: Sealed) -> str:
        """The name of the key it was sealed under, whether it is here or not; `Invalid` when it is not
        a sealed value.
        """
        ...

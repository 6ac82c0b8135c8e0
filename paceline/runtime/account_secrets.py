"""What an account logs in with by itself, as it is kept: sealed, in one piece."""

import json
from dataclasses import dataclass, fields

from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.broker import NO_SECRET
from paceline.ports.seal import Seal, Sealed


@dataclass(frozen=True, slots=True)
class AccountSecrets:
    """Which of them a broker needs stands in his part of the documentation."""

    pin: Secret = NO_SECRET
    totp_secret: Secret = NO_SECRET
    api_key: Secret = NO_SECRET
    api_secret: Secret = NO_SECRET
    passphrase: Secret = NO_SECRET

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


def account_context(account_id: AccountId) -> str:
    """Where sealed credentials of an account may be opened: nowhere else."""
    return f"account:{account_id}"


def seal_secrets(seal: Seal, account_id: AccountId, secrets: AccountSecrets) -> Sealed:
    words = {each.name: getattr(secrets, each.name).reveal() for each in fields(secrets)}
    return seal.seal(json.dumps(words).encode(), account_context(account_id))


def unseal_secrets(seal: Seal, account_id: AccountId, sealed: Sealed) -> AccountSecrets:
    """Raises `Invalid` when it was altered, or sealed for another account."""
    words = json.loads(seal.unseal(sealed, account_context(account_id)))
    return AccountSecrets(**{name: Secret(word) for name, word in words.items()})

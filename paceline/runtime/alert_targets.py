"""Where alerts go, as it is kept: sealed, because such a URL holds passwords."""

from paceline.domain.secret import Secret
from paceline.ports.alerts import Target
from paceline.ports.seal import Seal, Sealed


def target_context(target_id: str) -> str:
    """Where a sealed target may be opened: nowhere else."""
    return f"alert_target:{target_id}"


def seal_target(seal: Seal, target_id: str, url: Secret) -> Sealed:
    return seal.seal(url.reveal().encode(), target_context(target_id))


def url_of(seal: Seal, target: Target) -> Secret:
    """Raises `Invalid` when it was altered, or its key is gone."""
    return Secret(seal.unseal(target.url, target_context(target.target_id)).decode())

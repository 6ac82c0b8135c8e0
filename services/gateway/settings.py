"""Settings of the gateway."""

from dataclasses import dataclass
from typing import ClassVar

from paceline.domain.secret import Secret
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.settings import CrossRule, setting


def _no_key(keys: tuple[Secret, ...]) -> str | None:
    return None if keys else "is required: tokens are sealed with it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(CommonSettings):
    RULES: ClassVar[tuple[CrossRule, ...]] = (CrossRule(("encryption_keys",), _no_key),)

    requests_kept_h: int = setting(
        default=24,
        minimum=1,
        maximum=720,
        about="hours for which an answer is given again to the same request id",
    )

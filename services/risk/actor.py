"""Who asks, by his own word."""

from typing import Any

from paceline.runtime.sound import TEXT_MAX

ACTOR_KEY = "x-paceline-actor"
ANONYMOUS = "anonymous"


def actor_of(context: Any) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == ACTOR_KEY and isinstance(value, str) and value.strip():
            return value.strip()[:TEXT_MAX]
    return ANONYMOUS

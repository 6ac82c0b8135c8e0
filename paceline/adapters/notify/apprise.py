"""Apprise on threads of its own: it blocks, and a mail server may take its time."""

import asyncio
import logging
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import apprise

from paceline.domain.secret import Secret
from paceline.ports.notifier import Untold

_LOCAL = frozenset(
    {"dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "freedesktop", "file"}
)
"""Schemas that would tell the machine the service runs on, and nobody else."""


_LOADING = threading.Lock()


class AppriseNotifier:
    """`timeout_s` bounds what a caller waits; Apprise's own socket time-outs end the thread's work."""

    def __init__(self, threads: int, timeout_s: float) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="notify")
        self._timeout_s = timeout_s
        # Apprise logs whole URLs, and with them passwords; what failed is said by whoever asked
        logging.getLogger("apprise").addHandler(logging.NullHandler())
        logging.getLogger("apprise").propagate = False

    async def problem_of(self, url: Secret) -> str | None:
        return await self._apart(lambda: _problem_of(url))

    async def tell(self, url: Secret, title: str, body: str) -> None:
        problem = await self._apart(lambda: _notify(url, title, body))
        if problem is not None:
            raise Untold(f"the target {problem}")

    async def _apart(self, work: Callable[[], str | None]) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise Untold(f"no answer within {self._timeout_s:g} s") from None

    async def aclose(self) -> None:
        """Waits for nobody: what was under way is claimed again by the next."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _problem_of(url: Secret) -> str | None:
    schema = url.reveal().partition(":")[0].lower()
    if schema in _LOCAL:
        return "must not be of the machine that the service runs on"
    return None if _made(url) else "must be in the notation of Apprise"


def _notify(url: Secret, title: str, body: str) -> str | None:
    problem = _problem_of(url)
    target = _made(url)
    if problem or target is None:
        return problem
    arrived = False
    with suppress(Exception):  # a plugin's fault is its target's: nothing else may come of it
        arrived = bool(target.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
    return None if arrived else "did not take it"


def _made(url: Secret) -> apprise.NotifyBase | None:
    """The first one loads everything that Apprise can, which takes a second or two, and warns."""
    with suppress(Exception), _LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = apprise.Apprise.instantiate(url.reveal(), suppress_exceptions=True)
        return made if isinstance(made, apprise.NotifyBase) else None
    return None

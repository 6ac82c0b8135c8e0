"""What our own consumer and pools log goes beside the logs of the services."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog


@contextmanager
def logging_into(file: Path) -> Iterator[None]:
    """Until the block ends."""
    before = structlog.get_config()
    root, handler = logging.getLogger(), logging.FileHandler(file, encoding="utf-8")
    with file.open("a", encoding="utf-8") as sink:
        structlog.configure(
            logger_factory=structlog.WriteLoggerFactory(sink), cache_logger_on_first_use=False
        )
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)
            handler.close()
            structlog.configure(**before)

"""The key of an embedded stack: what it sealed must open again after a restart."""

import base64
import os
import secrets
from pathlib import Path

_FILE = "encryption.key"


def encryption_key(data: Path | None) -> str:
    """Made once and kept with the data, for its owner's eyes; without data it lives as long as we do."""
    made = base64.b64encode(secrets.token_bytes(32)).decode()
    if data is None:
        return made
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / _FILE
    if not path.exists():
        _write_whole(path, made)
    return path.read_text(encoding="ascii").strip()


def _write_whole(path: Path, text: str) -> None:
    """A crash leaves either no file or the whole one: half a key would lock everything sealed away."""
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    with os.fdopen(
        os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
    ) as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    making.rename(path)

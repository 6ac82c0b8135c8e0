"""Results for programs: a file, or standard output and nothing else there."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

STDOUT = "-"


def write_json(file: str | None, document: Mapping[str, object]) -> None:
    """To `file`; `-` is standard output; None is nowhere."""
    if file == STDOUT:
        sys.stdout.write(json.dumps(document) + "\n")
    elif file:
        Path(file).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

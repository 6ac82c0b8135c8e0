"""Writes what the chart and its document say about settings; `--check` only compares.

Run it after a setting was added, changed or removed: `python -m deploy.helm.generate`.
"""

import json
import sys
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from deploy.helm.settings_schema import OWNED, definitions, key_of, sections
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.settings import Described, describe

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "deploy/helm/paceline/values.schema.json"
DOCUMENT = ROOT / "docs/deploying.md"
SERVICES = ("gateway", "feed", "replicator", "executor", "risk")
BEGIN = "<!-- settings: written by deploy.helm.generate -->"
END = "<!-- end of settings -->"


def settings_types() -> Mapping[str, type[Any]]:
    """The settings class of every service."""
    return {service: import_module(f"services.{service}.settings").Settings for service in SERVICES}


def schema_with(text: str, services: Mapping[str, type[Any]]) -> str:
    """The schema with its `$defs` of settings as the classes have them; what is written by hand stays."""
    schema = json.loads(text)
    by_hand = {
        name: value
        for name, value in schema["$defs"].items()
        if not name.endswith(("Settings", "Secrets", "Section"))
    }
    closed = sections(by_hand["section"]["properties"], services)
    schema["$defs"] = by_hand | closed | definitions(CommonSettings, services)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def document_with(text: str, services: Mapping[str, type[Any]]) -> str:
    """The document with its tables of settings between the marks."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{_tables(services)}\n{END}{tail}"


def _tables(services: Mapping[str, type[Any]]) -> str:
    """One table for what all have, then one for every group of services that share settings."""
    common = describe(CommonSettings)
    parts = ["### Of every service (`common.settings`, `common.secrets`)\n", _table(common)]
    for owners, settings in _shared(services, common).items():
        where = ", ".join(f"`services.{each}`" for each in owners)
        parts += [f"### Of {' and '.join(owners)} ({where})\n", _table(settings)]
    return "\n".join(parts)


def _shared(
    services: Mapping[str, type[Any]], common: Collection[Described]
) -> Mapping[tuple[str, ...], list[Described]]:
    owners: dict[Described, tuple[str, ...]] = {}
    for service, settings_type in services.items():
        for each in describe(settings_type):
            if each not in common:
                owners[each] = (*owners.get(each, ()), service)
    groups: dict[tuple[str, ...], list[Described]] = {}
    for each in sorted(owners, key=lambda each: (-len(owners[each]), owners[each])):
        groups.setdefault(owners[each], []).append(each)
    return groups


def _table(settings: Collection[Described]) -> str:
    lines = ["| key | default in the code | what it is |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(_row(each) for each in settings)]) + "\n"


def _row(each: Described) -> str:
    if each.name in OWNED:
        return f"| ({each.name}) | set by {OWNED[each.name]} | {each.help} |"
    kind = " (secret)" if each.secret else ""
    default = "**required**" if each.required else f"`{each.default}`" if each.default else "unset"
    return f"| `{key_of(each.name)}`{kind} | {default} | {each.help.replace('|', chr(92) + '|')} |"


def main(arguments: list[str]) -> int:
    services = settings_types()
    stale = []
    for path, rewrite in ((SCHEMA, schema_with), (DOCUMENT, document_with)):
        before = path.read_text()
        after = rewrite(before, services)
        if after == before:
            continue
        stale.append(path.relative_to(ROOT))
        if "--check" not in arguments:
            path.write_text(after)
    for each in stale:
        sys.stdout.write(f"{each} {'is stale' if '--check' in arguments else 'written'}\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

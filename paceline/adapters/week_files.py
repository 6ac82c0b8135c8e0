"""Weeks of the journal as compressed files: JSON lines, and a manifest that makes them valid.

The manifest is renamed into place last. A file without one is the rest of a crash, and is written anew.
"""

import asyncio
import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from paceline.domain.errors import FailedPrecondition, Unavailable
from paceline.domain.ids import Offset, Partition
from paceline.domain.retention import Stretch
from paceline.ports.retention import Archived

_FORMAT = 1
_CHUNK = 1 << 20


class ArchiveBroken(FailedPrecondition):
    """An archived week is not what its manifest or the journal says."""


@dataclass(frozen=True, slots=True)
class Manifest:
    week: date
    file: str
    sha256: str
    stretches: tuple[Stretch, ...]


class WeekFiles:
    """Of one directory; replicas on several machines must see the same one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def find(self, week: date, stretches: Sequence[Stretch]) -> Archived | None:
        return await asyncio.to_thread(self._find, week, tuple(stretches))

    async def write(
        self, week: date, stretches: Sequence[Stretch], lines: AsyncIterator[Sequence[str]]
    ) -> Archived:
        file = self._file_of(week)
        draft = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            await self._fill(draft, lines)
            return await asyncio.to_thread(self._publish, draft, week, tuple(stretches))
        except OSError as problem:
            raise Unavailable(f"the archive {self._directory} cannot be written: {problem}") from problem
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    async def _fill(self, draft: Path, lines: AsyncIterator[Sequence[str]]) -> None:
        await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        with draft.open("wb") as out, gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed:
            async for page in lines:
                await asyncio.to_thread(packed.write, "".join(f"{line}\n" for line in page).encode())
            packed.close()
            await asyncio.to_thread(_make_durable, out.fileno())

    def _publish(self, draft: Path, week: date, stretches: tuple[Stretch, ...]) -> Archived:
        file = self._file_of(week)
        manifest = Manifest(week, file.name, _sha256(draft), stretches)
        _compare(draft, manifest)
        draft.replace(file)
        note = file.with_name(f".{self._manifest_of(week).name}.{os.getpid()}.part")
        with note.open("w", encoding="utf-8") as out:
            out.write(json.dumps(_document(manifest), indent=1))
            out.flush()
            _make_durable(out.fileno())
        note.replace(self._manifest_of(week))
        _sync_directory(self._directory)
        return Archived(file.name, manifest.sha256)

    def _find(self, week: date, stretches: tuple[Stretch, ...]) -> Archived | None:
        """One that is broken, or of other events, is no archive of this week."""
        try:
            manifest = verify(self._manifest_of(week))
        except (ArchiveBroken, OSError):
            return None
        whole = manifest.week == week and manifest.stretches == stretches
        return Archived(manifest.file, manifest.sha256) if whole else None

    def _file_of(self, week: date) -> Path:
        return self._directory / f"events_{week:%Y%m%d}.jsonl.gz"

    def _manifest_of(self, week: date) -> Path:
        return self._directory / f"events_{week:%Y%m%d}.manifest.json"


def verify(manifest_file: Path) -> Manifest:
    """Reads a week back, whole; raises `ArchiveBroken`, or `OSError` where there is nothing to read."""
    try:
        manifest = _manifest_from(json.loads(manifest_file.read_text("utf-8")))
    except (ValueError, KeyError, TypeError) as problem:
        raise ArchiveBroken(f"{manifest_file.name} is no manifest: {problem}") from problem
    file = manifest_file.with_name(manifest.file)
    if _sha256(file) != manifest.sha256:
        raise ArchiveBroken(f"{file.name} is not what was written: its sha256 differs")
    _compare(file, manifest)
    return manifest


def _compare(file: Path, manifest: Manifest) -> None:
    """Every line in its place: offsets without holes from the first to the last of each partition."""
    found: dict[Partition, Stretch] = {}
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                _count(found, json.loads(line), file)
    except (EOFError, ValueError, KeyError, gzip.BadGzipFile) as problem:
        raise ArchiveBroken(f"{file.name} cannot be read back: {problem}") from problem
    told = {each.partition: each for each in manifest.stretches}
    wrong = sorted(each for each in told.keys() | found.keys() if told.get(each) != found.get(each))
    if wrong:
        raise ArchiveBroken(f"{file.name} does not hold what it should of partitions {wrong[:5]}")


def _count(found: dict[Partition, Stretch], row: Any, file: Path) -> None:
    partition, offset = Partition(row["partition"]), Offset(row["event_offset"])
    before = found.get(partition)
    if before is None:
        found[partition] = Stretch(partition, offset, offset, 1)
        return
    if offset <= before.last:
        raise ArchiveBroken(f"{file.name} is out of order at offset {offset} of partition {partition}")
    found[partition] = Stretch(partition, before.first, offset, before.count + 1)


def _document(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "week": manifest.week.isoformat(),
        "file": manifest.file,
        "sha256": manifest.sha256,
        "events": sum(each.count for each in manifest.stretches),
        "stretches": [asdict(each) for each in manifest.stretches],
    }


def _manifest_from(document: Any) -> Manifest:
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r} is unknown")
    stretches = tuple(
        Stretch(Partition(each["partition"]), Offset(each["first"]), Offset(each["last"]), int(each["count"]))
        for each in document["stretches"]
    )
    named = Path(document["file"]).name
    return Manifest(date.fromisoformat(document["week"]), named, document["sha256"], stretches)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as given:
        while chunk := given.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _make_durable(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    """A rename is durable when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

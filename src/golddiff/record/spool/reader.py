"""Reading a spool while its writers append: every call once, damage counted, what was taken deleted.

Each worker's segments are read in their order. A frame that does not check is a torn tail where the writer is gone
and nothing valid follows (a crash; it was never acknowledged), else it is corrupt: reading goes on at the next frame
that checks, and calls that need what was lost are counted as broken. While the writer still holds the segment, an
unfinished frame just ends this round of reading.

How it fits: the one process that takes calls into the store iterates `read()`, keeps what it got, and then says so
with `taken(places)`, which is durable before it returns; finished segments all of whose calls were taken are deleted.
A crash between the two delivers calls again: the taker knows them by `call_id`. Only one reader may be open.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from golddiff.errors import GolddiffError, WorkspaceError
from golddiff.record.spool.files import sync_folder
from golddiff.record.spool.scan import Damage, SegmentScan
from golddiff.record.spool.segments import SUFFIX, parse_name
from golddiff.record.spool.stored import Place, StoredCall

_log = logging.getLogger(__name__)

_TAKEN = "taken.json"
_LOCK = "reader.lock"


class SpoolReader:
    """Reads all segments in `folder`. Close it, or use it as a context manager.

    Raises WorkspaceError where another reader is open, or the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scans: dict[str, SegmentScan] = {}
        self._refused: set[str] = set()
        self._damage = Damage()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise WorkspaceError(f"the spool {folder} cannot be read: {error.strerror}. Check its owner.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise WorkspaceError(
                f"another process takes the calls of {folder}. One reader is allowed: stop it, or let it do the work."
            ) from error
        self._taken = self._load()

    def __enter__(self) -> SpoolReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another reader in; nothing is forgotten that `taken` was told."""
        for scan in self._scans.values():
            scan.close()
        self._scans.clear()
        os.close(self._lock)

    @property
    def damage(self) -> Damage:
        """What could not be read since this reader was opened."""
        total = Damage(**msgspec.structs.asdict(self._damage))
        for scan in self._scans.values():
            total.add(scan.damage)
        return total

    @property
    def waiting_bytes(self) -> int:
        """Bytes in segments that were not taken yet, about."""
        waiting = 0
        for path in self._segments():
            place = self._taken.get(path.name)
            try:
                waiting += max(0, path.stat().st_size - (place.offset if place else 0))
            except FileNotFoundError:
                continue
        return waiting

    def read(self) -> Iterator[StoredCall]:
        """Return the calls that are there now and were not returned by this reader before; in order for each worker.

        Segments that are damaged or of a newer format are counted and left behind, never an error.
        """
        for path in self._segments():
            if path.name in self._refused:
                continue
            try:
                yield from self._scan(path).calls()
            except FileNotFoundError:
                self._forget(path.name)
            except GolddiffError as error:
                _log.error("%s", error)
                self._refused.add(path.name)
                self._damage.refused_segments += 1
        self._delete_finished()

    def taken(self, places: Iterable[Place]) -> None:
        """Remember durably that everything up to each of `places` was taken, and delete what is done with.

        Raises WorkspaceError where that cannot be written; the calls are then delivered again to the next reader.
        """
        for place in places:
            before = self._taken.get(place.segment)
            if before is None or before < place:
                self._taken[place.segment] = place
        self._delete_finished()
        self._save()

    def _scan(self, path: Path) -> SegmentScan:
        scan = self._scans.get(path.name)
        if scan is None:
            scan = self._scans[path.name] = SegmentScan(path, self._taken.get(path.name))
        return scan

    def _segments(self) -> list[Path]:
        found = [(parse_name(path.name), path) for path in self._folder.glob(f"*{SUFFIX}")]
        return [path for name, path in sorted(((name, path) for name, path in found if name), key=lambda item: item[0])]

    def _delete_finished(self) -> None:
        for name, scan in list(self._scans.items()):
            place = self._taken.get(name)
            if scan.finished and (scan.last is None or (place is not None and place >= scan.last)):
                (self._folder / name).unlink(missing_ok=True)
                self._forget(name)

    def _forget(self, name: str) -> None:
        if scan := self._scans.pop(name, None):
            self._damage.add(scan.damage)
            scan.close()
        self._taken.pop(name, None)

    def _load(self) -> dict[str, Place]:
        path = self._folder / _TAKEN
        try:
            places = msgspec.json.decode(path.read_bytes(), type=dict[str, Place])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            _log.error("%s is not readable (%s): every call that is still there is delivered again", path, error)
            return {}
        return {name: place for name, place in places.items() if (self._folder / name).exists()}

    def _save(self) -> None:
        path = self._folder / _TAKEN
        temporary = path.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(self._taken))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(self._folder)
        except OSError as error:
            raise WorkspaceError(
                f"{path} cannot be written: {error.strerror}. Make room or check its owner."
            ) from error

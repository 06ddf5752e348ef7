"""Long texts and files of a workspace: in the database and the folder, or at a folder or URL that a team shares.

Texts are content-addressed. Each has a row in `blobs`, written in the transaction of the record that refers to it; the
row holds the text, or nothing where the text is an object on the shelf, and then the object was written before the
row. So no row ever names what is not there; a crash can only leave an object that no row names, which is harmless.
Files of records (a dataset's tables, a checkpoint's weights) follow the same rule: all on the shelf, then the record.

Objects: `blobs/ab/<32 hex digits>` (one zstd frame each) and `files/<path below the workspace>`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from golddiff.errors import UnreachableError, WorkspaceError
from golddiff.store import codec
from golddiff.store.backends.contract import Backend, rows_where_any
from golddiff.store.location import Location
from golddiff.store.shelf import Shelf, open_shelf

_FLUSH_BYTES = 4 << 20


class BlobKeeper:
    """Texts and files of one open workspace."""

    def __init__(self, backend: Backend, location: Location) -> None:
        self._backend = backend
        self._location = location
        self.shelf: Shelf | None = None if location.blobs is None else open_shelf(location.blobs)

    # ---- texts -----------------------------------------------------------------------------------------------

    def keep(self, texts: Mapping[bytes, str]) -> None:
        """Store the texts that are not here yet, inside the caller's transaction."""
        if not texts:
            return
        known = self.known(texts)
        rows: list[tuple[bytes, bytes]] = []
        size = 0
        for address, text in texts.items():
            if address in known:
                continue
            rows.append((address, self.place(address, codec.pack(text))))
            size += len(rows[-1][1])
            if size > _FLUSH_BYTES:
                self.add(rows)
                rows, size = [], 0
        self.add(rows)

    def place(self, address: bytes, data: bytes) -> bytes:
        """Return what the row of this blob holds: its data, or nothing once the data is on the shelf."""
        if self.shelf is None or len(data) < self._location.blob_bytes:
            return data
        self.shelf.write(object_name(address), data)
        return b""

    def add(self, rows: list[tuple[bytes, bytes]]) -> None:
        """Insert rows made by `place`."""
        if rows:
            self._backend.execute_many("INSERT INTO blobs (hash, data) VALUES (?, ?)", rows)

    def known(self, addresses: Iterable[bytes]) -> set[bytes]:
        """Those of the addresses that have a row."""
        return {row[0] for row in rows_where_any(self._backend, "SELECT hash FROM blobs", "hash", addresses)}

    def texts(self, addresses: set[bytes]) -> dict[bytes, str]:
        """Return the texts. Raises `WorkspaceError` where one is missing or is not what its address says."""
        found = {}
        for address, data in rows_where_any(self._backend, "SELECT hash, data FROM blobs", "hash", addresses):
            text = codec.unpack(data or self.fetch(address), address)
            if text is None:
                raise WorkspaceError(f"blob {address.hex()} of {self._location} is damaged: restore a backup.")
            found[address] = text
        for address in addresses - found.keys():
            raise WorkspaceError(f"blob {address.hex()} is missing from {self._location}: restore a backup.")
        return found

    def fetch(self, address: bytes) -> bytes:
        """Data of a blob whose row is empty. Raises `WorkspaceError`, `UnreachableError` where all others fail too."""
        if self.shelf is None:
            raise UnreachableError(
                f"{self._location} keeps long texts elsewhere, and this configuration does not say where: set "
                "`blobs` under [store] in golddiff.toml (or GOLDDIFF_BLOBS) as the writer has it."
            )
        try:
            return self.shelf.read(object_name(address))
        except FileNotFoundError:
            raise WorkspaceError(
                f"blob {address.hex()} is missing from {self.shelf.name}: check `blobs` under [store], or restore it."
            ) from None

    # ---- files -----------------------------------------------------------------------------------------------

    @property
    def elsewhere(self) -> str:
        """` or at …`, for messages about files."""
        return "" if self.shelf is None else f" or at {self.shelf.name}"

    def publish(self, name: str | None, path: Path | None = None) -> int:
        """Put a file or folder of the workspace (found at `path`) on the shelf; return the number of files."""
        if self.shelf is None or name is None or Path(name).is_absolute():
            return 0
        _require_inside(name)
        path = path or self._location / name
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        for file in files:
            below = "" if file == path else f"/{file.relative_to(path).as_posix()}"
            self.shelf.upload(file, f"files/{Path(name).as_posix()}{below}")
        return len(files)

    def bring(self, name: str) -> Path:
        """Return a file or folder of the workspace, copied here from the shelf where it is not here yet."""
        path = self._location / name
        if self.shelf is None or path.exists():
            return path
        _require_inside(name)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        root = f"files/{Path(name).as_posix()}"
        brought = False
        try:
            for key in self.shelf.keys(root):
                below = key[len(root) :].lstrip("/")
                if key != root and not key.startswith(root + "/"):
                    continue
                _require_inside(below)
                target = partial / below if below else partial
                target.parent.mkdir(parents=True, exist_ok=True)
                self.shelf.download(key, target)
                brought = True
            if brought:
                os.replace(partial, path)
        finally:
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)
        return path


def _require_inside(name: str) -> None:
    """A name comes from a row or a bucket that others write; it must not lead out of the workspace."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise WorkspaceError(f"`{name}` leads out of the workspace, so it is not copied: see who wrote that record.")


def object_name(address: bytes) -> str:
    """Key of a blob on the shelf."""
    digits = address.hex()
    return f"blobs/{digits[:2]}/{digits}"

"""Objects outside the database: a folder, or any fsspec URL. An object is there whole or not at all.

A folder (and `file://`) is written by temporary name, fsync, rename, fsync of the folder. An object store shows an
object when its upload is complete. Any other file system gets a temporary name and its own `mv`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from golddiff.errors import InputError, UnreachableError, WorkspaceError
from golddiff.store.location import is_url, without_secrets

_SHOWN_WHOLE = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "hf"})
"""Protocols whose puts appear at once, so that a temporary name would only cost a copy."""


class Shelf(Protocol):
    """Objects by key (`a/b/c`). Methods raise `WorkspaceError` where the place refuses."""

    name: str
    """Where it is, without credentials."""

    def write(self, key: str, data: bytes) -> None:
        """Store an object, durably, replacing one of that key."""
        ...

    def read(self, key: str) -> bytes:
        """Return an object. Raises `FileNotFoundError`."""
        ...

    def upload(self, source: Path, key: str) -> None:
        """Store a file."""
        ...

    def download(self, key: str, target: Path) -> None:
        """Write an object to a file. Raises `FileNotFoundError`."""
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that are `prefix`, or lie below it, sorted."""
        ...


def open_shelf(place: str) -> Shelf:
    """Return the shelf at a folder or an fsspec URL.

    Raises:
        InputError: the URL's protocol is unknown, or its library is not installed.
    """
    if not is_url(place):
        return FolderShelf(Path(place))
    if urlsplit(place).scheme == "file":
        return FolderShelf(Path(unquote(urlsplit(place).path)))
    return FsspecShelf(place)


class FolderShelf:
    """Objects as files below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    def write(self, key: str, data: bytes) -> None:
        self._store(key, lambda target: target.write(data))

    def read(self, key: str) -> bytes:
        return (self._folder / key).read_bytes()

    def upload(self, source: Path, key: str) -> None:
        with source.open("rb") as opened:
            self._store(key, lambda target: shutil.copyfileobj(opened, target, 1 << 20))

    def download(self, key: str, target: Path) -> None:
        shutil.copyfile(self._folder / key, target)

    def keys(self, prefix: str) -> Iterator[str]:
        root = self._folder / prefix
        if root.is_file():
            yield prefix
        for path in sorted(root.rglob("*")):
            if path.is_file() and not path.name.startswith(".partial-"):
                yield path.relative_to(self._folder).as_posix()

    def _store(self, key: str, fill: Callable[[BinaryIO], Any]) -> None:
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as target:
                    fill(target)
                    target.flush()
                    os.fsync(target.fileno())
                os.chmod(partial, 0o644)
                os.replace(partial, path)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise
            _sync_folders(path.parent, self._folder)
        except OSError as error:
            raise WorkspaceError(
                f"cannot write {key} to {self.name} ({error}): check permissions and space."
            ) from error


class FsspecShelf:
    """Objects below an fsspec URL."""

    def __init__(self, url: str) -> None:
        self.name = without_secrets(url).rstrip("/")
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]
        except ModuleNotFoundError as error:
            raise InputError(f"{self.name} needs fsspec: run `pip install 'golddiff[cloud]'`.") from error
        try:
            self._system, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"blobs cannot be kept at {self.name}: {error}. Install that library, or give a folder."
            ) from error
        self._root: str = root.rstrip("/")
        protocol = self._system.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._whole = not names.isdisjoint(_SHOWN_WHOLE)

    def write(self, key: str, data: bytes) -> None:
        self._store(key, lambda path: self._system.pipe_file(path, data))

    def read(self, key: str) -> bytes:
        with self._errors("read", key):
            data: bytes = self._system.cat_file(f"{self._root}/{key}")
        return data

    def upload(self, source: Path, key: str) -> None:
        self._store(key, lambda path: self._system.put_file(str(source), path))

    def download(self, key: str, target: Path) -> None:
        with self._errors("read", key):
            self._system.get_file(f"{self._root}/{key}", str(target))

    def keys(self, prefix: str) -> Iterator[str]:
        with self._errors("list", prefix):
            self._system.invalidate_cache()  # others write there too
            found: list[str] = self._system.find(f"{self._root}/{prefix}")
        start = len(self._root) + 1
        return (path[start:] for path in sorted(found) if ".partial-" not in path)

    def _store(self, key: str, fill: Callable[[str], Any]) -> None:
        path = f"{self._root}/{key}"
        with self._errors("write", key):
            if self._whole:
                fill(path)
                return
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            partial = f"{path}.partial-{os.getpid()}"
            fill(partial)
            self._system.mv(partial, path)

    @contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise UnreachableError(
                f"cannot {verb} {key} at {self.name} ({error}): check the credentials and the network, then run again."
            ) from error


def _sync_folders(folder: Path, root: Path) -> None:
    """Make a new name durable: the folder that holds it, and those that may have been made for it."""
    for one in (folder, *folder.parents):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if one == root:
            return

"""A pass that is kept between runs, so that a new commit costs only itself.

One file holds the ledger and the tip's files: a few facts, then the arrays as they are in memory, since of a large
history copying twenty megabytes is what costs. It is written anew when that costs less than following the commits
since then once more; until then a run follows those few again. A second file, which only grows and is read only when a
branch is merged, holds for the last `forward.UNDO` mainline commits the files as they were before: the branch may have
begun at any of them.

It is a cache and nothing else: where the history was rewritten, where a new commit builds on something older or on an
unmerged commit, or where the file cannot be read, everything is followed anew. Paths in it are redacted, and the tip's
files whose path redaction changes are known by a hash of it, so that no text of the repository that redaction has not
seen reaches the disk. (Lines of such a file are those of the redacted path afterwards.)
"""

from __future__ import annotations

import gc
import mmap
import os
import tempfile
import time
import zlib
from array import array
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from itertools import accumulate, repeat
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.git.parsing import path_text
from golddiff.git.splices import LoggedCommit, paths_at, walk
from golddiff.outcomes.survival.forward import UNDO, Carry, Followed, advance, follow
from golddiff.outcomes.survival.ledger import Ledger, Numbers
from golddiff.outcomes.survival.merges import File, State
from golddiff.rights.redact import redact_text

_VERSION = 3
_DIGEST_BYTES = 16
_CHECK_BYTES = 4
_SIZE_BYTES = 4
_WRITE_SEC_PER_BYTE = 2e-9
"""What writing a pass takes (mypy: 20 MB, some 40 ms)."""
_MOST_UNDO_BYTES = 1 << 26
"""Size from which the second file is written anew with only what is still wanted (64 MiB)."""


class Hashed(bytes):
    """A path by its hash, as it is kept."""


class _File(msgspec.Struct, array_like=True):
    path: bytes
    """Hash of the path."""
    blob: bytes | None
    """None: there was no such file."""
    numbers: bytes


class _Facts(msgspec.Struct, array_like=True):
    version: int
    mode: str
    shas: bytes
    """Of all commits, in binary."""
    times: bytes
    mainline: bytes
    merged_at: bytes
    arrays: list[int]
    """Bytes of each array behind: the ledger's in the order of `_ARRAYS`, then the lines of all files."""
    joins: list[tuple[int, ...]]
    broken: bytes
    paths: list[str]
    files: list[tuple[bytes, bool, bytes, int]]
    """Path; whether it is only the hash of one that redaction changes; blob; lines."""


class _Undo(msgspec.Struct, array_like=True):
    sha: str
    """A mainline commit."""
    files: list[_File]
    """The files that it changed, as they were before."""


_ARRAYS = (
    ("length", "I"),
    ("reached", "i"),
    ("ended", "i"),
    ("block_first", "I"),
    ("block_commit", "I"),
    ("block_path", "I"),
    ("block_line", "I"),
)


def follow_on(git: GitRepository, tip: str, file: Path, *, carry: Carry, mode: str) -> Followed:
    """Follow every line up to `tip`, from where the pass kept in `file` ended; keeps the new one there where it pays.

    `mode` names `carry`. Raises InputError where the history cannot be read.
    """
    undo = file.with_name(file.name + ".undo")
    done = _load(file, mode)
    if done is not None and done.commits[-1].sha == tip:
        return done
    clean = {*done.ledger.paths, *(path for path in done.files if not isinstance(path, Hashed))} if done else set()
    began = time.perf_counter()
    done = _go_on(git, tip, done, carry, undo) if done is not None else None
    again_sec = time.perf_counter() - began
    whole = done is None
    if done is None:
        done, clean = follow(git, tip, carry=carry), set()
    pays = whole or again_sec >= file.stat().st_size * _WRITE_SEC_PER_BYTE
    if not done.left_out and pays:  # what is missing may be fetched
        file.parent.mkdir(parents=True, exist_ok=True)
        _save_undo(done, undo, whole=whole)
        _save(done, file, mode, clean)
    return done


def _go_on(git: GitRepository, tip: str, done: Followed, carry: Carry, undo: Path) -> Followed | None:
    """Follow what is new; None where that needs more than was kept."""
    old = done.commits[-1].sha
    try:
        fresh = walk(git, tip, [old])
    except InputError:  # what was the tip is gone
        return None
    new = {commit.sha: commit for commit in fresh}
    at = tip
    while at in new and new[at].parents:
        at = new[at].parents[0]
    if not fresh or at != old:  # rewritten, or the old tip came in by a merge
        return None
    bases = {parent for commit in fresh for parent in commit.parents} - new.keys()
    states: dict[str, State] = {}
    first = max(0, len(done.mainline) - UNDO)
    places = {done.commits[done.mainline[place]].sha: place for place in range(first, len(done.mainline))}
    for base in sorted(bases, key=lambda sha: places.get(sha, -1)):
        state = _state_at(git, base, places.get(base), done, undo)
        if state is None:
            return None
        states[base] = state
    start = len(done.commits)
    done.commits += fresh
    try:
        advance(git, done, states, start, carry, {})
    except InputError:
        return None
    return done


def _state_at(git: GitRepository, sha: str, place: int | None, done: Followed, undo: Path) -> State | None:
    """Files of a mainline commit, by their paths; None where they are not known any more."""
    if place is None:
        return None
    files: dict[bytes, File | None] = dict(done.files)
    later = [done.commits[index].sha for index in done.mainline[place + 1 :]]
    if later:
        before = _read_undo(undo)
        files = {_hashed(path): file for path, file in files.items()}
        for commit in reversed(later):
            if commit not in before:
                return None
            files |= {Hashed(file.path): _unpacked(file) for file in before[commit]}
    there = {path: file for path, file in files.items() if file is not None}
    names: dict[bytes, bytes] = {}
    if any(isinstance(path, Hashed) for path in there):
        names = {_hashed(path): path for path in paths_at(git, sha)}
        if any(isinstance(path, Hashed) and path not in names for path in there):
            return None
    return {names[path] if isinstance(path, Hashed) else path: file for path, file in there.items()}


def _hashed(path: bytes) -> Hashed:
    return path if isinstance(path, Hashed) else Hashed(blake2b(path, digest_size=_DIGEST_BYTES).digest())


def _save(done: Followed, file: Path, mode: str, clean: AbstractSet[bytes]) -> None:
    """Keep a pass; `clean` are paths that were kept before, so they are redacted."""
    ledger = done.ledger
    shown = {path: _shown(path, clean) for path in (*ledger.paths, *done.files)}
    lines = array("I")
    for found in done.files.values():
        lines += found.numbers
    arrays: list[Numbers] = [*(getattr(ledger, name) for name, _ in _ARRAYS), lines]
    facts = _Facts(
        version=_VERSION,
        mode=mode,
        shas=bytes.fromhex("".join(commit.sha for commit in done.commits)),
        times=array("q", [commit.committed_at for commit in done.commits]).tobytes(),
        mainline=array("I", done.mainline).tobytes(),
        merged_at=array("i", done.merged_at).tobytes(),
        arrays=[len(part) * part.itemsize for part in arrays],
        joins=ledger.joins,
        broken=array("I", sorted(ledger.broken)).tobytes(),
        paths=[shown[path] for path in ledger.paths],
        files=[
            (path, False, found.blob, len(found.numbers))
            if _plain(shown[path]) == path
            else (bytes(_hashed(path)), True, found.blob, len(found.numbers))
            for path, found in done.files.items()
        ],
    )
    head = msgspec.msgpack.encode(facts)
    parts: list[bytes | Numbers] = [len(head).to_bytes(_SIZE_BYTES, "big"), head, *arrays]
    check = 0
    for part in parts:
        check = zlib.crc32(part, check)
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "wb") as out:
        out.writelines([check.to_bytes(_CHECK_BYTES, "big"), *parts])
    os.replace(name, file)


def _shown(path: bytes, clean: AbstractSet[bytes]) -> str:
    """A path as it may be kept."""
    return path.decode("utf-8", "surrogatepass") if path in clean else redact_text(path_text(path))


def _plain(path: str) -> bytes:
    return path.encode("utf-8", "surrogatepass")


def _save_undo(done: Followed, file: Path, *, whole: bool) -> None:
    """Append what is new, or with `whole` write everything anew; drops what is too old when it has grown."""
    frames = [
        _Undo(done.commits[done.mainline[place]].sha, [_packed(path, found) for path, found in files.items()])
        for place, files in sorted(done.undo.items())
    ]
    if not whole and file.exists() and file.stat().st_size > _MOST_UNDO_BYTES:
        wanted = {done.commits[index].sha for index in done.mainline[-UNDO:]}
        old = [_Undo(sha, files) for sha, files in _read_undo(file).items() if sha in wanted]
        frames, whole = [*old, *frames], True
    with open(file, "wb" if whole else "ab") as out:
        for frame in frames:
            data = msgspec.msgpack.encode(frame)
            out.write(len(data).to_bytes(_CHECK_BYTES, "big") + zlib.crc32(data).to_bytes(_CHECK_BYTES, "big") + data)


def _read_undo(file: Path) -> dict[str, list[_File]]:
    """Mainline commit → files before it, up to the first damage."""
    found: dict[str, list[_File]] = {}
    try:
        data = memoryview(file.read_bytes())
    except OSError:
        return found
    at = 0
    while at < len(data):
        size, check = (
            int.from_bytes(data[at + start : at + start + _CHECK_BYTES], "big") for start in (0, _CHECK_BYTES)
        )
        at += 2 * _CHECK_BYTES
        body = data[at : at + size]
        if len(body) < size or zlib.crc32(body) != check:
            break
        frame = msgspec.msgpack.decode(body, type=_Undo)
        found[frame.sha] = frame.files
        at += size
    return found


def _load(file: Path, mode: str) -> Followed | None:
    """What is kept; None where there is nothing that can be used. Its files are by the hashes of their paths."""
    collecting = gc.isenabled()
    gc.disable()  # tens of thousands of objects are made and none is garbage: looking for some takes half of the time
    try:
        return _read(file, mode)
    finally:
        if collecting:
            gc.enable()


def _read(file: Path, mode: str) -> Followed | None:
    try:
        with (
            open(file, "rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            return _parsed(data, mode)
    except (OSError, ValueError, msgspec.MsgspecError):  # not there; empty; of another version
        return None


def _parsed(data: memoryview, mode: str) -> Followed | None:
    at = _CHECK_BYTES + _SIZE_BYTES
    if zlib.crc32(data[_CHECK_BYTES:]) != int.from_bytes(data[:_CHECK_BYTES], "big"):
        return None
    facts_end = at + int.from_bytes(data[_CHECK_BYTES:at], "big")
    kept = msgspec.msgpack.decode(data[at:facts_end], type=_Facts)
    if (kept.version, kept.mode) != (_VERSION, mode):
        return None
    ends = list(accumulate(kept.arrays, initial=facts_end))
    *arrays, lines = (
        _numbers(data[start:end], code)
        for start, end, code in zip(ends, ends[1:], [*(code for _, code in _ARRAYS), "I"], strict=False)
    )
    ledger = Ledger(joins=kept.joins, broken=set(_numbers(kept.broken, "I")))
    for (name, _), numbers in zip(_ARRAYS, arrays, strict=True):
        setattr(ledger, name, numbers)
    ledger.paths = list(map(_plain, kept.paths))
    ledger.path_numbers = {path: index for index, path in enumerate(ledger.paths)}
    times = _numbers(kept.times, "q")
    shas = kept.shas.hex(" ", len(kept.shas) // max(1, len(times))).split()
    starts = accumulate((count for *_, count in kept.files), initial=0)
    return Followed(
        ledger=ledger,
        commits=list(map(LoggedCommit._make, zip(shas, repeat(()), times))),
        mainline=list(_numbers(kept.mainline, "I")),
        merged_at=list(_numbers(kept.merged_at, "i")),
        files={
            Hashed(path) if hashed else path: File(blob, lines[start : start + count])
            for (path, hashed, blob, count), start in zip(kept.files, starts, strict=False)
        },
    )


def _packed(path: bytes, file: File | None) -> _File:
    name = bytes(_hashed(path))
    return _File(name, None, b"") if file is None else _File(name, file.blob, file.numbers.tobytes())


def _unpacked(file: _File) -> File | None:
    return None if file.blob is None else File(file.blob, _numbers(file.numbers, "I"))


def _numbers(data: bytes | memoryview, code: str) -> Numbers:
    numbers: Numbers = array(code)
    numbers.frombytes(data)
    return numbers

"""From which file a new one was renamed, chosen for each file alone, as `git blame` does.

`diff-tree -M` pairs the files of a whole commit and gives every old file to one new file only. Blame asks for one new
file at a time: of two files that were cut out of one, both come from it. So where a commit both drops and adds files,
a second choice is looked for by git's own measure of likeness (shared chunks, by bytes) and then confirmed by git
itself on just these files. Such a file becomes a copy (`C`): same origins, lives of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from golddiff.git import GitRepository
from golddiff.git.splices import FileSplices, against_parent

_LIKELY = 0.45
"""Likeness from which git is asked; its own threshold is 0.5, and its hashes of chunks may collide."""
_CHUNK = 64
"""Bytes at which git cuts a chunk that no line end has ended (diffcore-delta)."""
_MOST_PAIRS = 10_000
"""Old × new files beyond which git's pairing stands; git itself gives up at a thousand each."""


def rechosen(git: GitRepository, sha: str, parent: str | None, files: list[FileSplices]) -> list[FileSplices]:
    """The changes of a commit, with every new file's source chosen for itself."""
    sources = {file.old_path: file for file in files if file.status in "DR" and file.was_file}
    news = [file for file in files if file.status in "AR" and file.is_file and file.blob != file.old_blob]
    if parent is None or not sources or not news or len(sources) * len(news) > _MOST_PAIRS:
        return files
    if len(sources) == 1 and all(file.status == "R" for file in news):
        return files
    chunks = _Chunks(git)
    out = []
    for file in files:
        out.append(file)
        if file not in news:
            continue
        floor = _LIKELY
        if file.status == "R":
            floor = max(floor, chunks.likeness(file.old_blob, file.blob) - 0.05)
        likely = [
            path
            for path, source in sources.items()
            if path != file.old_path and chunks.likeness(source.old_blob, file.blob) >= floor
        ]
        if likely:
            out[-1:] = _asked(git, sha, parent, file, likely)
    return out


def _asked(git: GitRepository, sha: str, parent: str, file: FileSplices, likely: Sequence[bytes]) -> list[FileSplices]:
    """What git says of one new file when only these old ones are there."""
    paths = [*likely, file.path, *([file.old_path] if file.status == "R" else [])]
    ((_, found),) = against_parent(git, [(sha, parent)], paths=paths)
    for other in found:
        if other.path == file.path and other.status == "R" and other.old_path != file.old_path:
            other.status = "C"
            if file.status == "A":
                return [other]
            gone = FileSplices("D", file.old_path, file.old_path, file.old_mode, b"000000", file.old_blob, b"0")
            return [gone, other]
    return [file]


class _Chunks:
    """Files cut as git's rename detection cuts them."""

    def __init__(self, git: GitRepository) -> None:
        self._git = git
        self._known: dict[bytes, tuple[int, Counter[bytes]]] = {}

    def likeness(self, old: bytes, new: bytes) -> float:
        """Bytes of shared chunks over the longer file; 0 where the sizes alone rule a rename out."""
        if old == new:
            return 1.0
        (size, chunks), (other_size, others) = self._of(old), self._of(new)
        longer = max(size, other_size)
        if not longer or 2 * min(size, other_size) < longer:
            return 0.0
        shared = sum(min(count, others[chunk]) * len(chunk) for chunk, count in chunks.items() if chunk in others)
        return shared / longer

    def _of(self, blob: bytes) -> tuple[int, Counter[bytes]]:
        if blob not in self._known:
            data = self._git.blob(blob.decode()) or b""
            pieces = (
                line[at : at + _CHUNK] for line in data.splitlines(keepends=True) for at in range(0, len(line), _CHUNK)
            )
            self._known[blob] = len(data), Counter(pieces)
        return self._known[blob]

"""Does a session belong to this repository, and where do its paths lie in it?

Transcripts name paths on the machine where the agent ran, often another one than this, often in a second worktree.
The folder that stands for the repository's root is found by votes: of every absolute path that the session edited, the
longest ending that the repository ever held votes for the folder in front of it. The session's own folder breaks ties,
so a session in a subfolder and one in `/tmp/worktree-7` both find their root.

A session belongs here if its folder lies in this repository on this machine, or its repository URL is one of the
remotes', or a file that it edited was, before the edit, a version that the repository holds, or most files that it
edited (or read, if it edited none) are known here. A folder that is another repository on this machine, or a URL
that is none of ours, decides against it first. Where only names that any repository may have agree, the linker
decides: the session belongs here if a commit holds its lines.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.types import Clean, Event, EventKind, Session

KNOWN_SHARE = 0.5
"""Share of a session's files that must be known here where neither folder nor URL decides: a session that only adds
files to a known folder counts those, and one of another repository shares only names such as README.md."""
_TELLING = 2
"""Known files at least, where only names decide: one name in common happens between any two repositories."""
_EVERYWHERE = frozenset(
    {
        "readme.md", "license", "makefile", ".gitignore", "package.json", "go.mod", "go.sum", "pyproject.toml",
        "cargo.toml", "agents.md", "claude.md", "changelog.md", "dockerfile", "tsconfig.json", "__init__.py",
        "setup.py", "package-lock.json",
    }
)  # fmt: skip
"""Names at the root that nearly every repository has: they prove nothing."""


class Placement:
    """Turns a session's paths into paths of the repository."""

    def __init__(self, cwd: str | None, roots: tuple[str, ...]) -> None:
        self._cwd = cwd
        self.roots = roots
        """Folders on the session's machine that stand for the repository's root, longest first."""

    def __call__(self, path: str) -> str | None:
        """Path in the repository, or None outside it (and for paths inside `.git`)."""
        full = absolute(path, self._cwd)
        for root in self.roots:
            if full.startswith(root.rstrip("/") + "/"):
                inside = full[len(root.rstrip("/")) + 1 :]
                return None if inside.split("/")[0] == ".git" else inside
        if not self.roots and not full.startswith("/"):
            return full
        return None


def absolute(path: str, cwd: str | None) -> str:
    """The path joined to the session's folder, without `..`."""
    return posixpath.normpath(posixpath.join(cwd or "", path))


def find_placement(session: Session[Clean], events: Iterable[Event[Clean]], known: set[str]) -> Placement:
    """Find the folder(s) that stand for the repository's root."""
    cwd = session.cwd
    folders = {posixpath.dirname(path) for path in known} - {""}
    votes: Counter[str] = Counter()
    for path in set(edited_paths(events)):
        full = absolute(path, cwd)
        if not full.startswith("/"):
            continue
        parts = full.split("/")
        endings = [("/".join(parts[cut:]), "/".join(parts[:cut]) or "/") for cut in range(1, len(parts))]
        # The longest ending that is known: a shorter one (README.md, src/x) may be known by chance as well.
        ending, root = next(((ending, root) for ending, root in endings if ending in known), ("", None))
        if root is not None:
            if ending.lower() not in _EVERYWHERE:
                votes[root] += 2
            elif cwd is not None and _nested(root, cwd):
                votes[root] += 1
            continue
        root = next((root for ending, root in endings if posixpath.dirname(ending) in folders), None)
        if root is not None:
            votes[root] += 1
    if not votes:
        return Placement(cwd, (cwd,) if cwd is not None else ())
    near = {root for root in votes if cwd is not None and _nested(root, cwd)}
    best = max(votes, key=lambda root: (votes[root], root in near, root == cwd, -len(root)))
    roots = {best, *(root for root, count in votes.items() if count > 1 and count * 4 >= votes[best])}
    if cwd is not None and not any(_nested(root, cwd) for root in roots):
        roots.add(cwd)  # a second worktree was edited; a file at the root of the first has no ending that tells
    return Placement(cwd, tuple(sorted(roots, key=len, reverse=True)))


def _nested(a: str, b: str) -> bool:
    a, b = a.rstrip("/") + "/", b.rstrip("/") + "/"
    return a.startswith(b) or b.startswith(a)


def edited_paths(events: Iterable[Event[Clean]]) -> Iterator[str]:
    """Paths of every edit, as the transcript gives them."""
    for event in events:
        if event.kind is EventKind.EDIT and event.edit is not None:
            yield event.edit.path
            if event.edit.new_path:
                yield event.edit.new_path


def read_paths(events: Iterable[Event[Clean]]) -> Iterator[str]:
    """Paths that file-reading tools were asked for."""
    for event in events:
        if event.kind is EventKind.TOOL_CALL and event.arguments:
            try:
                arguments = msgspec.json.decode(event.arguments)
            except msgspec.DecodeError:
                continue
            if isinstance(arguments, dict):
                found = arguments.get("file_path") or arguments.get("path")
                if isinstance(found, str):
                    yield found


class Folders:
    """Which repository each folder of this machine lies in; looked up once, however many ask."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Path, frozenset[str]] | None] = {}

    def repository(self, folder: str) -> tuple[Path, frozenset[str]] | None:
        """The directory that its worktrees share, and its remotes; None where it is in none, or not here."""
        if folder not in self._known:
            self._known[folder] = self._look(folder)
        return self._known[folder]

    @staticmethod
    def _look(folder: str) -> tuple[Path, frozenset[str]] | None:
        if not folder.startswith("/"):
            return None
        try:
            if not Path(folder).is_dir():
                return None
            with GitRepository.open(folder) as git:
                return common_dir(git.git_dir), frozenset(plain_url(url) for url in git.remotes())
        except (InputError, OSError):  # another machine's `/root`: not ours to look into
            return None


class Headers:
    """Decides by a session's folder and repository URL, which are quick to look at."""

    BY_FOLDER = "its folder lies in this repository"

    def __init__(self, git: GitRepository, folders: Folders | None = None) -> None:
        self._common = common_dir(git.git_dir)
        self._remotes = {plain_url(url) for url in git.remotes()}
        # a folder's name says little: of a clone of a mirror on this machine, the content decides
        self._names = {url.rsplit("/", 1)[-1] for url in self._remotes if not url.startswith(("/", "."))}
        self._folders = folders or Folders()

    def decide(self, session: Session[Clean]) -> tuple[bool, str] | None:
        """Whether the session worked in this repository, and why; None where only its events can tell."""
        if session.cwd is not None and (other := self._folders.repository(session.cwd)) is not None:
            if other[0] == self._common:
                return True, self.BY_FOLDER
            if not self._remotes & other[1]:
                return False, "its folder is another repository"
        if session.repository_url is not None:
            url = plain_url(session.repository_url)
            if url in self._remotes:
                return True, "its repository URL is one of the remotes"
            if self._names and url.rsplit("/", 1)[-1] not in self._names:
                return False, "its repository URL is none of the remotes"
        return None


BY_CONTENT = "a file that it edited is a version that this repository holds"


def belongs(
    git: GitRepository, session: Session[Clean], events: tuple[Event[Clean], ...], known: set[str]
) -> tuple[bool | None, str]:
    """Whether the files that a session touched say that it worked in this repository, and why.

    None: they are too common to say, and only the linker can tell.
    """
    digits = len((git.default_branch() or ("", ""))[1]) or 40
    for text in dict.fromkeys(event.edit.before for event in events if event.edit is not None and event.edit.before):
        if git.has_object(blob_id(text, digits)):
            return True, BY_CONTENT
    for paths in (list(dict.fromkeys(edited_paths(events))), list(dict.fromkeys(read_paths(events)))):
        place = find_placement(session, events, known)
        inside = [found for path in paths if (found := place(path)) is not None]
        if not inside:
            continue
        folders = {posixpath.dirname(path) for path in known} - {""}
        here = [path for path in inside if path in known or posixpath.dirname(path) in folders]
        telling = [path for path in here if path in known and path.lower() not in _EVERYWHERE]
        if here and len(here) >= KNOWN_SHARE * len(inside):
            telling_enough = len(telling) >= max(_TELLING, KNOWN_SHARE * len(inside))
            verdict = True if telling_enough else None
            return verdict, f"{len(here)} of the {len(inside)} files that it touched are known here"
        return False, f"only {len(here)} of the {len(inside)} files that it touched are known here"
    return False, "nothing in it names a file of this repository"


def blob_id(text: str, digits: int) -> str:
    """Object id that git gives to a file with this text; `digits` is 40 (SHA-1) or 64 (SHA-256)."""
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.new("sha256" if digits == 64 else "sha1", b"blob %d\0" % len(data) + data).hexdigest()


def common_dir(git_dir: Path) -> Path:
    """The directory that all worktrees of a repository share."""
    pointer = git_dir / "commondir"
    if pointer.is_file():
        return (git_dir / pointer.read_text().strip()).resolve()
    return git_dir.resolve()


def plain_url(url: str) -> str:
    """`host/owner/name` in lower case, whatever the transport and credentials."""
    text = re.sub(r"^[a-z+]+://", "", url.strip().lower())
    text = re.sub(r"^[^@/]*@", "", text)
    text = re.sub(r"^([^/:]+):(?!\d+/)", r"\1/", text)
    return text.removesuffix("/").removesuffix(".git")

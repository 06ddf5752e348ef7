"""Is this change one that may be applied at all? Decided on its text, before it touches anything.

How it fits: `grading` and everything that applies a model's change asks here first. A change is a unified diff or the
new texts of files; either becomes `{path: text}` (None: deleted) and is refused with a reason where it

- leaves the tree (absolute, `..`, drive letters, backslashes, control characters) or goes through a link of it;
- makes a link, a submodule or a binary file, or changes a mode to one of those;
- touches git's own files (`.git` in any spelling that a file system may take for it, `.gitmodules`), hooks, or the
  workflows of a forge, which run on somebody's machine;
- touches what decides how tests run (`conftest.py`, `pytest.ini`, `pyproject.toml`, `sitecustomize.py`, `*.pth`, …),
  unless the accepted change touches the same file;
- is larger than any change that a person would review.

Not covered: what the code does. That is the sandbox's part.
Sources: git's own rules for path names (`verify_path`, fsck's `hasDotgit`); measured gaps of `git apply` (it makes
links to anywhere) and of GNU patch (it writes through them).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

from golddiff import patch
from golddiff.patch import PatchError

__all__ = ["Files", "Inadmissible", "configures_tests", "files_after", "refusal"]

Files = Mapping[str, str | None]
"""POSIX path below the tree → whole new text, or None where the change deletes the file."""

MOST_FILES = 200
MOST_FILE_CHARACTERS = 2_000_000
MOST_PATCH_CHARACTERS = 8_000_000

_CONFIGURATION = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "tox.toml", "setup.cfg",
    "setup.py", "pyproject.toml", "sitecustomize.py", "usercustomize.py", "pyvenv.cfg",
})  # fmt: skip
_HOOKS = frozenset(
    {".githooks", ".husky", ".pre-commit-config.yaml", ".lefthook.yml", "lefthook.yml", ".overcommit.yml"}
)
_WORKFLOWS = (".github/workflows", ".github/actions", ".gitlab-ci.yml", ".circleci", "azure-pipelines.yml")
_REGULAR_MODES = frozenset({"100644", "100755", "100664"})
_MODE = re.compile(r"(?:new file|new|old|deleted file) mode (\d+)$|index [0-9a-f]+\.\.[0-9a-f]+ (\d+)$")
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


class Inadmissible(PatchError):
    """A change that is refused before it touches anything; the message is the reason."""


def configures_tests(path: str) -> bool:
    """Whether a file decides how, or which, tests run, or is run by Python before anything else."""
    parts = [part.casefold() for part in PurePosixPath(path).parts]
    packaged = any(part.endswith((".egg-info", ".dist-info", ".egg-link")) for part in parts)
    return packaged or parts[-1] in _CONFIGURATION or parts[-1].endswith(".pth")


def path_refusal(path: str) -> str | None:
    """Return why no change may name this path, or None."""
    if not path or len(path) > 1024 or any(len(part.encode("utf-8", "replace")) > 255 for part in path.split("/")):
        return f"the path {path[:60]!r} is empty or too long"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in path):
        return f"the path {path!r} holds control characters or broken text"
    parts = path.split("/")
    if path.startswith("/") or {"", ".", ".."} & set(parts) or "\\" in path or re.match(r"[A-Za-z]:", path):
        return f"the path {path!r} does not stay below the tree: give it relative, with '/' and without '..'"
    for part in parts:
        plain = _IGNORED_BY_HFS.sub("", unicodedata.normalize("NFKC", part)).casefold().split(":")[0].rstrip(" .")
        if plain in (".git", "git~1", ".gitmodules", "gi7eba~1"):
            return f"the path {path!r} belongs to git itself"
        if plain in _HOOKS:
            return f"the path {path!r} is a hook, which would run on somebody's machine"
    lower = path.casefold()
    if any(lower == place or lower.startswith(place + "/") for place in _WORKFLOWS):
        return f"the path {path!r} is a workflow, which would run on somebody's machine"
    return None


def refusal(files: Files, *, allowed: Collection[str] = ()) -> str | None:
    """Return why this change is refused, or None. `allowed`: paths that the accepted change touches."""
    if len(files) > MOST_FILES:
        return f"it changes {len(files)} files, more than {MOST_FILES}"
    for path, text in files.items():
        found = path_refusal(path)
        if found:
            return found
        if configures_tests(path) and path not in allowed:
            return f"{path!r} decides how tests run, and the accepted change does not touch it"
        if text is not None and len(text) > MOST_FILE_CHARACTERS:
            return f"{path!r} would have {len(text):,} characters, more than {MOST_FILE_CHARACTERS:,}"
    total = sum(len(text or "") for text in files.values())
    if total > MOST_PATCH_CHARACTERS:
        return f"its files would have {total:,} characters, more than {MOST_PATCH_CHARACTERS:,}"
    folders = {parent.as_posix() for path in files for parent in PurePosixPath(path).parents}
    both = next((path for path, text in files.items() if text is not None and path in folders), None)
    return f"{both!r} would be a file and a folder" if both else None


def files_after(
    text: str, read: Callable[[str], str | None], *, allowed: Collection[str] = ()
) -> dict[str, str | None]:
    """Apply a unified diff to the texts that `read` returns (None: absent) and return every file that it changes.

    Nothing is written. Hunks may have moved: they are placed where their old lines are. Raises Inadmissible with the
    reason where the change may not be applied, and PatchError where it cannot be.
    """
    if len(text) > MOST_PATCH_CHARACTERS:
        raise Inadmissible(f"the patch has {len(text):,} characters, more than {MOST_PATCH_CHARACTERS:,}.")
    renames = _extended_headers(text)
    named: list[patch.FilePatch] = list(patch.parse(text))
    seen = {(found.old_path, found.new_path) for found in named}
    named += [patch.FilePatch(old, new, ()) for old, new in renames if (old, new) not in seen]
    if not named:
        raise Inadmissible("it is no patch: there is no '---' and '+++' pair in it.")
    # Before anything is read: a path that leaves the tree must not even be looked at.
    paths: Files = {path: "" for found in named for path in (found.old_path, found.new_path) if path is not None}
    reason = refusal(paths, allowed=allowed)
    if reason:
        raise Inadmissible(f"{reason}.")
    after: dict[str, str | None] = {}
    for found in named:
        _apply(found, after, read)
    reason = refusal(after, allowed=allowed)
    if reason:
        raise Inadmissible(f"{reason}.")
    return after


def _apply(found: patch.FilePatch, after: dict[str, str | None], read: Callable[[str], str | None]) -> None:
    old, new = found.old_path, found.new_path
    if old is None and new is None:
        raise Inadmissible("a file of it has no name on either side.")
    before = (after[old] if old in after else read(old)) if old is not None else None
    if old is not None and before is None:
        raise PatchError(f"{old!r} is not in the tree.")
    if old != new and new is not None and (after[new] if new in after else read(new)) is not None:
        raise PatchError(f"{new!r} is already there.")
    if new is None:
        after[str(old)] = patch.apply(found, before)
        return
    if old is not None and old != new:
        after[old] = None
    after[new] = patch.apply_hunks(found.hunks, before or "")


def _extended_headers(text: str) -> list[tuple[str | None, str | None]]:
    """Check git's extended headers, and return renames and empty files, which may have no hunks."""
    found: list[tuple[str | None, str | None]] = []
    header, renamed_from = False, None
    git_path = None
    for line in text.split("\n"):
        if line.startswith("diff --git "):
            header, renamed_from = True, None
            git_path = _git_path(line)
        elif line.startswith("@@"):
            header = False
        elif line.startswith(("GIT binary patch", "Binary files ")):
            raise Inadmissible("it holds a binary file; only texts are graded.")
        elif header:
            line = line.rstrip("\r")
            mode = _MODE.match(line)
            value = mode and (mode[1] or mode[2])
            if value and value not in _REGULAR_MODES:
                kind = {"120000": "a link", "160000": "a submodule"}.get(value, f"mode {value}")
                raise Inadmissible(f"it makes or changes {kind}; only regular files may be changed.")
            if line.startswith(("copy from ", "copy to ")):
                raise Inadmissible("it copies a file; write the new file out instead.")
            if line.startswith("rename from "):
                renamed_from = patch.unquote(line.removeprefix("rename from "))
            elif line.startswith("rename to ") and renamed_from is not None:
                found.append((renamed_from, patch.unquote(line.removeprefix("rename to "))))
            elif line.startswith("new file mode") and git_path is not None:
                found.append((None, git_path))
    return found


def _git_path(line: str) -> str | None:
    """Return the path of `diff --git a/P b/P`, where both sides are the same."""
    names = line.removeprefix("diff --git ").rstrip("\r")
    half = len(names) // 2
    left, right = patch.unquote(names[:half]), patch.unquote(names[half + 1 :])
    return right[2:] if (left[:2], right[:2]) == ("a/", "b/") and left[2:] == right[2:] else None

"""Entire's checkpoints: transcripts and line counts that its hooks committed beside the code.

Two layouts hold the same files: the branch `entire/checkpoints/v1` (`<id[:2]>/<id[2:]>/…`) and one ref for each
checkpoint (`refs/entire/checkpoints/<id[-2:]>/<id>`). A checkpoint has one folder per session (`0/`, `1/`, …; older
ones have none) with `metadata.json` and `full.jsonl`, the client's own transcript as it stood at the commit. Commits
name their checkpoint in a trailer.

Transcripts are read by the importer of their format (their label is sometimes wrong) and become sessions of that
client. A session is in every checkpoint since it began, so the newest comes first and the older ones add nothing.
Each commit that a trailer joins with a checkpoint gives one `Attribution` per session: counts, since Entire names no
lines. A trailer can be copied or forged; only those of the last paragraph count.

Not read: prompts and summaries (the transcript holds them), checkpoints of sub-agents (`tasks/`), the short
`transcript.jsonl` of newer builds, shadow branches. Format: Entire's `docs/architecture`, and the checkpoints of two
repositories (docs/importers.md).
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from golddiff.git import GitRepository
from golddiff.record.importers.contract import Damage, Reading, ReadSession
from golddiff.record.importers.jsonl import decode
from golddiff.record.importers.registry import importer_for
from golddiff.record.importers.timestamps import moment
from golddiff.types import Attribution, Contributor, Transcript

_BRANCH = re.compile(r"refs/(?:heads|remotes/[^/]+)/entire/checkpoints/v1")
_OWN_REF = re.compile(r"refs/entire/checkpoints/(..)/([0-9a-f]{12}|[0-9A-HJKMNP-TV-Z]{26})")
_NO_CODE = re.compile(r"refs/(?:notes|entire|(?:heads|remotes/[^/]+)/entire)/")
_CHECKPOINT = re.compile(r"[0-9a-f]{12}|[0-9A-HJKMNP-TV-Z]{26}")
_FILE = re.compile(r"(?:(\d{1,4})/)?(metadata\.json|full\.jsonl(?:\.\d+)?)")
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}-")
_TRAILER = "Entire-Checkpoint"
_CLAIMS_AT_ONCE = 500
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Counts(msgspec.Struct, frozen=True):
    """`initial_attribution`: how the commit's lines compare with what the session left."""

    agent_lines: int | None = None
    human_added: int | None = None
    human_modified: int | None = None
    human_removed: int | None = None
    total_committed: int | None = None


class Metadata(msgspec.Struct, frozen=True):
    """A session's `metadata.json`, as far as it is needed."""

    session_id: str | None = None
    created_at: str | None = None
    agent: str | None = None
    files_touched: list[str] | None = None
    initial_attribution: Counts | None = None


_METADATA = msgspec.json.Decoder(Metadata)


@dataclass
class _Saved:
    """One session in one checkpoint."""

    checkpoint: str
    place: Path
    metadata: Metadata = field(default_factory=Metadata)
    described: bool = False
    transcript: list[tuple[str, str]] = field(default_factory=list)
    """File name and blob; a long transcript comes in parts."""

    @property
    def at(self) -> datetime:
        return moment(self.metadata.created_at) or _EARLIEST

    @property
    def session_id(self) -> str | None:
        """The client's id; older builds put the date in front of it."""
        return _DATED.sub("", self.metadata.session_id, count=1) if self.metadata.session_id else None


class Entire:
    """Importer of Entire's checkpoints."""

    name = "entire"

    def read(self, git: GitRepository) -> Iterator[Reading]:
        """Yield one reading per transcript, the newest first, then the claims about commits."""
        found = _Checkpoints(git)
        found.collect()
        if not found.saved:
            return
        yield Reading(damaged=tuple(found.damaged), skipped=dict(found.skipped))
        seen: set[tuple[str, ...]] = set()
        for saved in sorted(found.saved, key=lambda saved: saved.at, reverse=True):
            blobs = tuple(blob for _, blob in sorted(saved.transcript))
            if blobs and blobs not in seen:
                seen.add(blobs)
                yield from _transcript(git, saved, blobs)
        claims: list[Attribution[str]] = []
        commits = _commits(git, {saved.checkpoint for saved in found.saved})
        without = sum(saved.checkpoint not in commits for saved in found.saved)
        for saved in found.saved:
            if saved.described:
                claims += (_claim(saved, commit) for commit in commits.get(saved.checkpoint, ()))
            if len(claims) >= _CLAIMS_AT_ONCE:
                yield Reading(attributions=tuple(claims))
                claims = []
        yield Reading(
            attributions=tuple(claims), skipped={"checkpoint without a commit here": without} if without else {}
        )


class _Checkpoints:
    """What the refs of one repository hold."""

    def __init__(self, git: GitRepository) -> None:
        self._git = git
        self._folders: dict[tuple[str, str], _Saved] = {}
        self.damaged: list[Damage] = []
        self.skipped: Counter[str] = Counter()

    @property
    def saved(self) -> list[_Saved]:
        """Every session of every checkpoint; a folder that only sums up others is none."""
        return [saved for saved in self._folders.values() if saved.transcript or saved.metadata.session_id]

    def collect(self) -> None:
        """Look through the branch and the refs; what is in both is taken from the refs."""
        own: set[str] = set()
        refs = self._git.refs()
        for ref, commit in refs.items():
            match = _OWN_REF.fullmatch(ref)
            if match is not None and match[2].endswith(match[1]):
                own.add(match[2])
                for path, blob in self._git.tree(commit).items():
                    self._file(match[2], path, blob, self._git.git_dir / ref / path)
        for ref in sorted(filter(_BRANCH.fullmatch, refs)):  # refs/heads before refs/remotes
            new = set()
            for path, blob in self._git.tree(refs[ref]).items():
                shard, _, rest = path.partition("/")
                name, _, rest = rest.partition("/")
                if _CHECKPOINT.fullmatch(shard + name) and len(shard) == 2 and shard + name not in own:
                    new.add(shard + name)
                    self._file(shard + name, rest, blob, self._git.git_dir / ref / path)
            own |= new

    def _file(self, checkpoint: str, path: str, blob: str, place: Path) -> None:
        match = _FILE.fullmatch(path)
        if match is None:
            if path.startswith("tasks/") or "/tasks/" in path:
                self.skipped["not needed: checkpoint of a sub-agent"] += 1
            return
        key = (checkpoint, match[1] or "")
        saved = self._folders.setdefault(key, _Saved(checkpoint, place.parent))
        if match[2] != "metadata.json":
            saved.transcript.append((match[2], blob))
            return
        try:
            saved.metadata = decode(_METADATA, self._git.blob(blob) or b"")
            saved.described = True
        except msgspec.ValidationError:
            self.skipped["unexpected shape"] += 1
        except msgspec.DecodeError as error:
            self.damaged.append(Damage(place, 1, str(error)))


def _transcript(git: GitRepository, saved: _Saved, blobs: tuple[str, ...]) -> Iterator[Reading]:
    """Read one transcript by what it holds. The file of a long one is there until the reading was dealt with."""
    place = saved.place / "full.jsonl"
    parts = [git.blob(blob) for blob in blobs]
    if any(part is None for part in parts):
        yield Reading(skipped={"transcript whose object is not here": 1})
        return
    with _file_in_memory(b"".join(part or b"" for part in parts)) as path:
        importer = importer_for(path)
        if importer is None:
            yield Reading(skipped={"not a known format": 1})
            return
        reading = importer.read(path)
        sessions = []
        for read in reading.sessions:
            header = msgspec.structs.replace(read.transcript.session, source_path=str(place))
            sessions.append(
                ReadSession(Transcript(header, read.transcript.events), read.parent_provider_id, copy=read.copy)
            )
        damaged = tuple(Damage(place, damage.line, damage.reason) for damage in reading.damaged)
        yield Reading(tuple(sessions), damaged, reading.skipped)


@contextmanager
def _file_in_memory(data: bytes) -> Iterator[Path]:
    """A file that importers can open and that is on no disk: what it holds is not redacted yet."""
    descriptor = os.memfd_create("transcript", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(data)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _commits(git: GitRepository, checkpoints: set[str]) -> dict[str, list[str]]:
    """Commits by the checkpoint that their trailers name."""
    tips = {sha for name, sha in git.refs().items() if not _NO_CODE.match(name)}
    found: dict[str, list[str]] = defaultdict(list)
    for commit in git.commits(git.graph(sorted(tips))):
        for name, value in commit.trailers:
            if name == _TRAILER and value in checkpoints:
                found[value].append(commit.sha)
    return found


def _claim(saved: _Saved, commit: str) -> Attribution[str]:
    counts = saved.metadata.initial_attribution or Counts()
    return Attribution(
        id="",
        source=Entire.name,
        claim=f"{saved.checkpoint}/{saved.session_id or ''}",
        revision=commit,
        contributor=Contributor.AI,
        provider_session_id=saved.session_id,
        tool=saved.metadata.agent,
        at=moment(saved.metadata.created_at),
        paths=tuple(saved.metadata.files_touched or ()),
        accepted_lines=counts.agent_lines,
        revised_lines=counts.human_modified,
        human_added_lines=counts.human_added,
        human_removed_lines=counts.human_removed,
        committed_lines=counts.total_committed,
        source_path=str(saved.place),
    )

"""Commits that name a session outright: trailers, checkpoint branches, authorship notes, traces, pull requests.

Names are evidence like any other (they can be copied, squashed together or forged), and `--ignore-evidence
trailer,notes,trace,pull-request` leaves them out. Read here:

- a trailer whose value is a session's own id at its provider (`Session-Id: …` and the like);
- `Entire-Checkpoint: <id>`, resolved to sessions by the `metadata.json` files of the branch
  `entire/checkpoints/v1`, where the repository has it;
- git-ai notes (`refs/notes/ai`): the ids in `prompts.*.agent_id.id` and `sessions.*.agent_id.id`;
- claims that were imported (`Attribution`): of git-ai (counted with the notes), of Entire (counted with the trailers
  that joined them, so that one trailer does not speak twice), and Agent Trace records, whose revision is the commit or,
  as real hooks write it, the commit before: both count where they change a file that the record names;
- pull requests that a webhook reported: their head and the commit that merged them, for sessions on their branch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from golddiff.git import GitRepository
from golddiff.outcomes.evidence import BranchMerged, Names
from golddiff.outcomes.history import History
from golddiff.types import Attribution, Clean, Contributor, Signal

_CHECKPOINT = "Entire-Checkpoint"
_CHECKPOINT_BRANCH = "entire/checkpoints/v1"
_KIND_OF = {"git-ai": "notes", "entire": "trailer", "agent-trace": "trace"}
"""Kind of evidence by the source of a claim."""


def read_names(
    git: GitRepository,
    history: History,
    session_ids: Iterable[str],
    ignore: Iterable[str],
    claims: Iterable[Attribution[Clean]] = (),
    pull_requests: Iterable[Signal] = (),
) -> Names:
    """Find the commits of `history` that name one of `session_ids` (ids at their providers).

    `claims` and `pull_requests` are what the store has of this repository.
    """
    wanted = set(session_ids)
    names = Names()
    skip = set(ignore)
    if "trailer" not in skip:
        checkpoints = _checkpoint_sessions(git)
        for sha, commit in history.commits.items():
            found: set[str] = set()
            for name, value in commit.facts.trailers:
                found.update(checkpoints.get(value, ()) if name == _CHECKPOINT else {value} & wanted)
            if found & wanted:
                names.trailer[sha] = found & wanted
    if "notes" not in skip:
        for sha, texts in git.notes().items():
            found = {name for text in texts.values() for name in _git_ai_sessions(text)} & wanted
            if found and sha in history.commits:
                names.notes[sha] = found
    _add_claims(names, history, (claim for claim in claims if claim.provider_session_id in wanted), skip)
    for signal in pull_requests:
        if signal.kind == "merged" and signal.branch is not None:
            pull = BranchMerged(signal.branch, signal.number, signal.opened_at or signal.at, signal.at)
            for sha in signal.commits:
                names.branches.setdefault(sha, []).append(pull)
    return names


def _add_claims(names: Names, history: History, claims: Iterable[Attribution[Clean]], skip: set[str]) -> None:
    children: dict[str, list[str]] = defaultdict(list)
    for sha, commit in history.commits.items():
        for parent in commit.facts.parents:
            children[parent].append(sha)
    for claim in claims:
        if claim.revision is None or claim.provider_session_id is None or claim.contributor is Contributor.HUMAN:
            continue
        kind = _KIND_OF.get(claim.source)
        if kind is None or kind in skip:
            continue
        about = [claim.revision]
        if kind == "trace":
            paths = {line.path for line in claim.lines} | set(claim.paths)
            about = [
                sha
                for sha in (claim.revision, *children.get(claim.revision, ()))
                if sha in history.commits and any(file.change.path in paths for file in history.commits[sha].files)
            ]
        table: dict[str, set[str]] = getattr(names, kind)
        for sha in about:
            if sha in history.commits:
                table.setdefault(sha, set()).add(claim.provider_session_id)


def _checkpoint_sessions(git: GitRepository) -> dict[str, set[str]]:
    """Session ids by checkpoint id, from the branch that stores checkpoints."""
    tips = [sha for name, sha in git.refs().items() if name.endswith("/" + _CHECKPOINT_BRANCH)]
    found: dict[str, set[str]] = defaultdict(set)
    for tip in tips[:1]:
        for path, blob in git.tree(tip).items():
            parts = path.split("/")
            if len(parts) < 3 or parts[-1] != "metadata.json" or len(parts[0]) != 2:
                continue
            for name in _session_ids(_json(git.blob(blob))):
                # Older clients put the date in front of the provider's id.
                found[parts[0] + parts[1]].update({name, name[11:] if name[4:5] == "-" == name[10:11] else name})
    return found


def _session_ids(metadata: Any) -> Iterator[str]:
    if isinstance(metadata, dict):
        for field in ("session_id", "session_ids"):
            value = metadata.get(field)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str):
                    yield item


def _git_ai_sessions(note: str) -> Iterator[str]:
    _, _, tail = note.rpartition("\n---\n")
    record = _json(tail.encode())
    if not isinstance(record, dict):
        return
    for table in ("prompts", "sessions"):
        entries = record.get(table)
        for entry in entries.values() if isinstance(entries, dict) else ():
            agent = entry.get("agent_id") if isinstance(entry, dict) else None
            if isinstance(agent, dict) and isinstance(agent.get("id"), str):
                yield agent["id"]


def _json(data: bytes | None) -> Any:
    try:
        return msgspec.json.decode(data or b"null")
    except (msgspec.DecodeError, RecursionError):
        return None

"""Do golddiff and git-ai say the same of the same lines? One command:

    python -m bench.outcomes.notes --shared SHARED/data --repo PATH [--write docs/benchmarks.md]

PATH is a clone of github.com/git-ai-project/git-ai (`git clone --mirror`: the commits of the notes are on branches and
pull requests). It is only read: the shared notes are written into a temporary clone that borrows its objects, and
only those, whatever notes it has itself. The linker sees neither notes nor trailers.

Compared are the non-blank lines that a noted commit adds: attested by git-ai to a session, and attested by
`golddiff export outcomes --format git-ai-notes` to the same one. Only copies of Claude Code hold the text of edits;
Cursor's name files. In newer copies nothing says whether an edit was made (`git_ai.messages`): the product counts none
of them, this benchmark takes all of them as made, and shows the two kinds apart. Every pair that disagrees is listed
with the reason that reading its transcript and its commit gave, from `notes_judged.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from golddiff import patch
from golddiff.git import GitRepository
from golddiff.git.notes import write_notes
from golddiff.outcomes.lines import key
from golddiff.outcomes.run import compute
from golddiff.record.exporters.git_ai_notes import notes_of
from golddiff.record.importers.git_ai import importer
from golddiff.record.importers.git_ai.importer import Note, parse_note
from golddiff.record.importers.git_ai.messages import holds_results, transcript_of
from golddiff.record.ingest import import_paths
from golddiff.statistics.intervals import cluster_bootstrap
from golddiff.store import Store
from golddiff.types import Clean, Event, Outcome, RawSession, Session, Survival

_BEGIN, _END = "<!-- bench/outcomes/notes begin -->", "<!-- bench/outcomes/notes end -->"
_JUDGED = Path(__file__).with_name("notes_judged.json")
_HIDDEN = frozenset({"notes", "trailer", "trace"})
_WITH_TEXT = "claude"
"""The client whose copies hold the text of edits."""

Place = tuple[str, int]
"""Path and line, from 1."""


@dataclass
class Pair:
    """One session on one noted commit."""

    commit: str
    session: str
    default: bool
    accepted: int
    """git-ai's `accepted_lines`."""
    attested: set[Place]
    added: dict[Place, str]
    """Non-blank lines that the commit adds."""
    ours: set[Place] = field(default_factory=set)
    written: Counter[str] = field(default_factory=Counter)
    """Keys of lines that the edits of the transcript write."""
    edits: int = 0
    results: bool = False
    linked: bool = False

    @property
    def theirs(self) -> set[Place]:
        """Attested lines that the commit adds."""
        return self.attested & self.added.keys()

    @property
    def different(self) -> set[Place]:
        """Lines of which the two say different things."""
        return self.theirs ^ self.ours


@contextmanager
def noted(repo: Path, rows: Sequence[dict[str, Any]]) -> Iterator[Path]:
    """A clone of `repo` whose only notes are `rows`, with every noted commit on a branch."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "git-ai.git"
        branch = _git(repo, "symbolic-ref", "--short", "HEAD")
        _git(Path("."), "clone", "-q", "--bare", "--shared", "--no-tags", "--single-branch", "--branch", branch,
             str(repo.resolve()), str(clone))  # fmt: skip
        for number, row in enumerate(rows):
            _git(clone, "update-ref", f"refs/heads/noted/{number}", row["commit"])
        texts = {row["commit"]: f"{row['attestation']}\n---\n{json.dumps(row['metadata'])}" for row in rows}
        with GitRepository.open(clone) as git:
            write_notes(git, "refs/notes/ai", texts, replaceable=lambda _: False, at=datetime.now(UTC))
        yield clone


def _git(repo: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repo), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def taken_as_made(messages: msgspec.Raw, tool: str | None, *rest: str | None) -> RawSession | None:
    """A transcript of a note, with its edits as made where the copy holds no results."""
    found = transcript_of(messages, tool, *rest)  # type: ignore[arg-type]
    if found is None or tool != _WITH_TEXT or holds_results(msgspec.json.decode(messages, type=list[msgspec.Raw])):
        return found
    made = [
        event
        if event.edit is None
        else msgspec.structs.replace(event, edit=msgspec.structs.replace(event.edit, success=True))
        for event in found.events
    ]
    return msgspec.structs.replace(found, events=tuple(made))


def compared(rows: Sequence[dict[str, Any]], default: dict[str, bool], clone: Path, folder: Path) -> list[Pair]:
    """Import, decide and export; then set every noted session of Claude Code beside its note."""
    with Store.open(folder) as store:
        with mock.patch.object(importer, "transcript_of", taken_as_made):
            import_paths(store, [clone])
        outcomes = compute(store, clone, ignore=_HIDDEN).outcomes
        with GitRepository.open(clone) as git:
            return _pairs(rows, default, git, store, outcomes)


def _pairs(
    rows: Sequence[dict[str, Any]],
    default: dict[str, bool],
    git: GitRepository,
    store: Store,
    outcomes: Sequence[Outcome],
) -> list[Pair]:
    def file_at(sha: str, path: str) -> list[str] | None:
        blob = git.files_at(sha, [path]).get(path)
        return None if blob is None else (git.blob(blob) or b"").decode("utf-8", "replace").split("\n")

    sessions = {outcome.session_id: store.get(Session, outcome.session_id) for outcome in outcomes}
    by_id = {sessions[outcome.session_id].provider_session_id or "": outcome for outcome in outcomes}
    followed = [
        (survival, outcome, sessions[outcome.session_id])
        for outcome in outcomes
        for survival in store.find(Survival, outcome_id=outcome.id)
    ]
    ours: dict[tuple[str, str], set[Place]] = defaultdict(set)
    for sha, text in notes_of(followed, file_at).by_commit.items():
        for session, places in _attested(_note(text)).items():
            ours[sha, session] = places
    pairs = []
    for row in rows:
        note = _note(f"{row['attestation']}\n---\n{json.dumps(row['metadata'])}")
        attested = _attested(note)
        for entry in note.metadata.entries.values():
            agent = entry.agent_id
            if agent is None or agent.tool != _WITH_TEXT or not agent.id:
                continue
            pair = Pair(
                row["commit"], agent.id, default[row["commit"]], entry.accepted_lines or 0,
                attested.get(agent.id, set()), _added(git, row["commit"]), ours[row["commit"], agent.id],
            )  # fmt: skip
            outcome = by_id.get(agent.id)
            if outcome is not None:
                pair.linked = any(link.sha == row["commit"] for link in outcome.commits)
                pair.edits, pair.written = _written(store.events(outcome.session_id))
                pair.results = holds_results(msgspec.json.decode(entry.messages, type=list[msgspec.Raw]))
            pairs.append(pair)
    return pairs


def _note(text: str) -> Note:
    note = parse_note(text.encode())
    assert isinstance(note, Note)
    return note


def _attested(note: Note) -> dict[str, set[Place]]:
    """Session at its provider → lines attested to it."""
    found: dict[str, set[Place]] = defaultdict(set)
    for name, entry in note.metadata.entries.items():
        if entry.agent_id is not None and entry.agent_id.id:
            for span in note.lines.get(name, ()):
                found[entry.agent_id.id] |= {(span.path, at) for at in range(span.first_line, span.last_line + 1)}
    return found


def _added(git: GitRepository, sha: str) -> dict[Place, str]:
    return {
        (change.path, hunk.new_start + at): line
        for _, changes in git.changes([sha])
        for change in changes
        for hunk in change.hunks
        for at, line in enumerate(hunk.added)
        if line.strip()
    }


def _written(events: Sequence[Event[Clean]]) -> tuple[int, Counter[str]]:
    """Edits that were made and hold text, and the keys of all lines that they write."""
    made = [event.edit for event in events if event.edit is not None and event.edit.success]
    texts = [[*(step.new for step in edit.replacements), *([edit.after] if edit.after else [])] for edit in made]
    return sum(map(bool, texts)), Counter(key(line) for own in texts for text in own for line in patch.split(text))


# ------------------------------------------------------------------------------------------------------------ report


def shares(pairs: Sequence[Pair]) -> list[str]:
    """Agreement over all lines that the commits add, and over those that one of the two attests."""
    clusters = [pair.session for pair in pairs]
    lines = [len(pair.added) for pair in pairs]
    same = [len(pair.added) - len(pair.different) for pair in pairs]
    either = [len(pair.theirs | pair.ours) for pair in pairs]
    both = [len(pair.theirs & pair.ours) for pair in pairs]
    cells = [f"{len(pairs)}", f"{len(set(clusters))}"]
    for right, total in ((same, lines), (both, either)):
        cells.append(f"{sum(right)}/{sum(total)}: {cluster_bootstrap(right, total, clusters)}")
    return cells


def kinds(pair: Pair) -> str:
    """The lines in which the two differ, by who attests them and whether an edit of the transcript writes them."""
    counts = Counter(
        ("git-ai" if place in pair.theirs else "golddiff", pair.written[key(pair.added.get(place, ""))] > 0)
        for place in pair.different
    )
    return "; ".join(
        f"{count} only {who}, {'in' if told else 'not in'} an edit of the transcript"
        for (who, told), count in sorted(counts.items())
    )


def report(rows: Sequence[dict[str, Any]], pairs: Sequence[Pair], later: int) -> str:
    """The section of docs/benchmarks.md."""
    judged = {(row["session"], row["commit"]): row["reason"] for row in json.loads(_JUDGED.read_text())}
    entries = [entry for row in rows for entry in row["metadata"].get("prompts", {}).values()]
    names_only = [entry for entry in entries if entry["agent_id"]["tool"] != _WITH_TEXT]
    empty = [pair for pair in pairs if not pair.edits]
    texts = [pair for pair in pairs if pair.edits]
    silent = [pair for pair in texts if not pair.theirs | pair.ours]
    spoken = [pair for pair in texts if pair.theirs | pair.ours]
    off = [pair for pair in spoken if not pair.default]
    told = [pair for pair in spoken if pair.default]
    wrong = [pair for pair in pairs if pair.accepted != len(pair.attested)]
    out = [
        _BEGIN,
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; notes and trailers hidden from the linker.",
        "",
        f"{len(rows)} notes with {len(entries)} (session, commit) pairs; {len(names_only)} of other clients, whose "
        f"copies hold no text of an edit; of the {len(pairs)} of Claude Code {len(empty)} show no edit that was made, "
        f"{len(silent)} are of commits that add no line which either attests (git-ai carries a note on through merges "
        f"and rewritten copies), {len(off)} are on other branches, which golddiff links and does not follow. "
        f"The {later} notes of the newer form hold no transcripts.",
        "",
        "| copies | pairs | sessions | lines of the commits of which both say the same "
        "| of the lines that either attests, those that both do |",
        "|---|---|---|---|---|",
    ]
    for title, group in (
        ("with results", [pair for pair in told if pair.results]),
        ("without results, edits taken as made", [pair for pair in told if not pair.results]),
        ("all", told),
    ):
        if group:
            out.append(f"| {title} | " + " | ".join(shares(group)) + " |")
    out += [
        "",
        f"Linked to the noted commit: {sum(pair.linked for pair in spoken)} of {len(spoken)}. "
        f"`accepted_lines` is the number of lines that the note itself attests in {len(pairs) - len(wrong)} of "
        f"{len(pairs)} pairs; in the others it is another one, and the note does not say what it counts.",
        "",
        "| commit | session | adds | git-ai (`accepted_lines`) | golddiff | both | lines that differ | reason |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for pair in sorted(spoken + empty, key=lambda one: (one.commit, one.session)):
        if pair.different:
            reason = judged.get((pair.session[:8], pair.commit[:8]), "NOT JUDGED")
            cells = (
                f"`{pair.commit[:8]}`", pair.session[:8], len(pair.added), f"{len(pair.theirs)} ({pair.accepted})",
                len(pair.ours), len(pair.theirs & pair.ours), kinds(pair), reason,
            )  # fmt: skip
            out.append("| " + " | ".join(map(str, cells)) + " |")
    same = [pair for pair in spoken if not pair.different]
    out += ["", f"In {len(same)} pairs there is no difference: " + ", ".join(f"`{p.commit[:8]}`" for p in same) + "."]
    return "\n".join([*out, _END, ""])


def main() -> None:
    """Parse, compare, print, and write the section where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--repo", type=Path, required=True, help="clone of github.com/git-ai-project/git-ai")
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    arguments = parser.parse_args()
    rows = _rows(arguments.shared / "git-ai-notes" / "notes.jsonl")
    facts = _rows(arguments.shared / "git-ai-notes" / "accepted_commits.jsonl")
    later = _rows(arguments.shared / "git-ai-notes-v3-sessions" / "notes.jsonl")
    default = {row["commit"]: row["on_default_branch"] for row in facts}
    with noted(arguments.repo, rows) as clone, tempfile.TemporaryDirectory() as folder:
        pairs = compared(rows, default, clone, Path(folder))
    text = report(rows, pairs, len(later))
    print(text)
    if arguments.write:
        old = arguments.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        arguments.write.write_text(old[:start] + text + old[end:])


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    main()

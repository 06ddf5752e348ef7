"""What each importer finds in real files: one row of counts per importer.

    python -m bench.importers FOLDER…

Every file under the folders is given to the importer of its format and read by itself, so a session that lies there in
several stages is counted once per file. Chats in aider's commits are counted in repositories given with `--repo`.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from golddiff import patch
from golddiff.git import GitRepository
from golddiff.record.importers import Reading, importer_for, repository_importers
from golddiff.record.importers.aider.commits import AiderCommits
from golddiff.record.ingest import transcript_files
from golddiff.types import EventKind, FileEdit

_COLUMNS = (
    "files", "sessions", "damaged", "unknown", "prompts", "model calls", "commands", "with exit code", "test runs",
    "edits applied", "with the file before", "with text or hunks", "edits failed", "rejections", "interruptions",
    "of sub-agents", "without a model",
)  # fmt: skip


def count(reading: Reading, found: Counter[str]) -> None:
    """Add what one reading holds."""
    found["sessions"] += len(reading.sessions)
    found["damaged"] += len(reading.damaged)
    for read in reading.sessions:
        session = read.transcript.session
        found["unknown"] += sum(n for reason, n in session.skipped.items() if reason.startswith(("unknown", "unexp")))
        found["without a model"] += not session.models
        for event in read.transcript.events:
            found["of sub-agents"] += event.agent is not None
            found["prompts"] += event.kind is EventKind.PROMPT
            found["model calls"] += event.kind is EventKind.MODEL_CALL
            found["rejections"] += event.kind is EventKind.REJECTION
            found["interruptions"] += event.kind is EventKind.INTERRUPTION
            found["commands"] += event.kind is EventKind.COMMAND
            found["with exit code"] += event.exit_code is not None
            found["test runs"] += event.tests is not None
            edit = event.edit
            if edit is not None:
                found["edits applied" if edit.success else "edits failed"] += 1
                found["with the file before"] += edit.success and edit.before is not None
                shown = edit.replacements or edit.hunks is not None or edit.after is not None
                found["with text or hunks"] += edit.success and bool(shown)


def counted(folders: Iterable[Path], repositories: Iterable[Path]) -> tuple[dict[str, Counter[str]], int]:
    """Counts by importer, and how many files have no importer."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    unknown = 0
    for path, _ in transcript_files([str(folder) for folder in folders]):
        importer = importer_for(path)
        if importer is None:
            unknown += 1
            continue
        found[importer.name]["files"] += 1
        count(importer.read(path), found[importer.name])
    for folder in repositories:
        with GitRepository.open(folder) as git:
            for reader in repository_importers():
                for reading in reader.read(git):
                    found[reader.name]["files"] += 1
                    count(reading, found[reader.name])
    return found, unknown


def replayed(folder: Path) -> Counter[str]:
    """Do the edits of aider's chats, applied to each commit's parent, give the files of the commit?"""
    found: Counter[str] = Counter()
    with GitRepository.open(folder) as git:

        def files(commit: str, paths: list[str]) -> dict[str, str]:
            blobs = git.files_at(commit, paths)
            return {path: (git.blob(blob) or b"").decode("utf-8", "replace") for path, blob in blobs.items()}

        for reading in AiderCommits().read(git):
            for session, events in ((read.transcript.session, read.transcript.events) for read in reading.sessions):
                edits: dict[str, list[FileEdit[str]]] = defaultdict(list)
                for event in events:
                    if event.edit is not None:
                        edits[event.edit.path].append(event.edit)
                if not edits or session.base_commit is None or session.provider_session_id is None:
                    continue
                before = files(session.base_commit, list(edits))
                after = files(session.provider_session_id, list(edits))
                for path, steps in edits.items():
                    found["files"] += 1
                    try:
                        text = _applied(steps, before.get(path))
                    except patch.PatchError:
                        continue
                    found["apply to the parent"] += 1
                    found["give the commit's file"] += text == after.get(path)
    return found


def _applied(steps: Iterable[FileEdit[str]], text: str | None) -> str | None:
    for edit in steps:
        if edit.operation == "create":
            text = (text or "") + (edit.after or "")
        elif edit.hunks is not None:
            text = patch.apply_hunks(patch.parse_hunks(edit.hunks), text or "")
        for step in edit.replacements:
            text = patch.replace(text or "", step.old, step.new)
    return text


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--repo", action="append", default=[], type=Path, help="also read what tools keep inside this")
    options = parser.parse_args()
    found, unknown = counted(options.folders, options.repo)
    names = sorted(found)
    print("| per file read |", *(f"{name} |" for name in names))
    print("|---|" + "---|" * len(names))
    for column in _COLUMNS:
        print(f"| {column} |", *(f"{found[name][column]:,} |" for name in names))
    print(f"\n{unknown} files have no importer.")
    for folder in options.repo:
        print(f"{folder}: edits of aider's chats: {dict(replayed(folder))}")


if __name__ == "__main__":
    main()

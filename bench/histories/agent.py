"""An agent's session, recorded while it works in the builder's worktree, as an importer would read it.

Three manners of telling an edit, as real clients have them: `write` (whole file before and after), `replace` (file
before, old text, new text) and `patch` (hunks without line numbers or file, which the linker must place at the base
commit). Commit ids are known only when git has made them, so a session becomes a `Transcript` at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bench.histories.trees import File, Line

from golddiff import patch
from golddiff.types import (
    Event,
    EventKind,
    FileEdit,
    RawSession,
    Replacement,
    Session,
    TestRun,
    Transcript,
    Usage,
    derive_id,
)

MANNERS = ("write", "replace", "replace", "patch")
"""How sessions tell of their edits; drawn from for each session."""
MODELS = ("model-a", "model-b")


class Writer(NamedTuple):
    """Who wrote or removed a line."""

    kind: str
    """`session`, `user` or `other`."""
    name: str
    attempt: int | None = None
    """Which attempt of the session, from 0."""


USER = Writer("user", "user")
TEAM = Writer("other", "team")


class Step(NamedTuple):
    """One event, before commit ids are known."""

    kind: EventKind
    at: datetime
    fields: dict[str, Any]
    commit: int | None = None
    """Commit that the command made, by its number in the builder."""


@dataclass(slots=True)
class AgentSession:
    """One session while it is recorded."""

    name: str
    manner: str
    model: str
    base: int | None
    """Commit checked out when it began, by its number."""
    branch: str
    started_at: datetime
    steps: list[Step] = field(default_factory=list)
    attempts: int = 0
    final: dict[str, tuple[Line, ...]] = field(default_factory=dict)
    """Path → the file as the session's last edit of it left it."""

    @property
    def writer(self) -> Writer:
        """The session in its present attempt."""
        return Writer("session", self.name, max(0, self.attempts - 1))

    def prompt(self, at: datetime, text: str) -> None:
        """The user asks: a new attempt."""
        self.steps.append(Step(EventKind.PROMPT, at, {"text": text}))
        self.attempts += 1

    def answer(self, at: datetime) -> None:
        """The model is called."""
        usage = Usage(input_tokens=900, output_tokens=120)
        self.steps.append(Step(EventKind.MODEL_CALL, at, {"text": "Done.", "usage": usage, "model": self.model}))

    def edit(self, at: datetime, before: File | None, after: File) -> None:
        """Record a change of one file."""
        tool = {"write": "Write", "replace": "Edit", "patch": "apply_patch"}[self.manner]
        told = tell(self.manner, after.path, before.text if before is not None else None, after.text)
        self.steps.append(Step(EventKind.EDIT, at, {"tool": tool, "model": self.model, "edit": told}))
        self.final[after.path] = after.lines

    def command(self, at: datetime, line: str, output: str, commit: int | None = None) -> None:
        """A shell command."""
        tests = TestRun(framework="pytest", passed=3, failed=0, success=True) if "pytest" in line else None
        fields = {"command": line, "text": output, "exit_code": 0, "tests": tests}
        self.steps.append(Step(EventKind.COMMAND, at, fields, commit))

    def reject(self, at: datetime) -> None:
        """The user refuses."""
        self.steps.append(Step(EventKind.REJECTION, at, {}))

    def transcript(self, cwd: str, shas: Mapping[int, str]) -> RawSession:
        """The session as an importer hands it over; `shas` are the commits by their numbers."""
        session_id = derive_id("ses", self.name)
        events = []
        for sequence, step in enumerate(self.steps):
            fields = dict(step.fields)
            if step.commit is not None:
                sha = shas.get(step.commit) or derive_id("", self.name, step.commit).strip("_")
                fields["text"] = f"[{self.branch} {sha[:7]}] {fields['text']}\n 1 file changed\n"
            events.append(
                Event[str](
                    id=f"{session_id}/{sequence}",
                    session_id=session_id,
                    sequence=sequence,
                    kind=step.kind,
                    at=step.at,
                    **fields,
                )
            )
        session = Session[str](
            id=session_id,
            source="claude-code" if self.manner != "patch" else "codex",
            provider_session_id=self.name,
            models=(self.model,),
            cwd=cwd,
            branch=self.branch,
            base_commit=shas.get(self.base) if self.base is not None else None,
            started_at=self.started_at,
            ended_at=self.steps[-1].at if self.steps else self.started_at,
            record_hashes=(session_id,),
        )
        return Transcript(session, tuple(events))


def tell(manner: str, path: str, before: str | None, after: str) -> FileEdit[str]:
    """The change as a client of this manner tells it."""
    if not before:
        return FileEdit(path=path, operation="create", after=after)
    if manner == "patch":
        body = patch.split(patch.render(path, before, after))[3:]
        hunks = "".join("@@\n" if line.startswith("@@ ") else line for line in body)
        return FileEdit(path=path, operation="update", hunks=hunks)
    if manner == "replace":
        old, new = _replacement(patch.split(before), patch.split(after))
        if patch.replace(before, old, new) == after:
            return FileEdit(path=path, operation="update", before=before, replacements=(Replacement(old, new),))
    return FileEdit(path=path, operation="update", before=before, after=after)


def _replacement(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """The changed lines with as many lines before them as make them the only such place."""
    found = patch.blocks(before, after)
    first, last, start, end = found[0][0], found[-1][1], found[0][2], found[-1][3]
    text = "".join(before)
    while first and (first == last or text.count("".join(before[first:last])) != 1):
        first, start = first - 1, start - 1
    while last < len(before) and (first == last or text.count("".join(before[first:last])) != 1):
        last, end = last + 1, end + 1
    return "".join(before[first:last]), "".join(after[start:end])

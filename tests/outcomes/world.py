"""A small world for linking: a git repository and the sessions that worked in it, both built by the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from golddiff.outcomes.run import Summary, compute
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store
from golddiff.types import (
    Event,
    EventKind,
    FileEdit,
    Outcome,
    Replacement,
    Session,
    Transcript,
    derive_id,
)

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
MODULES = 8


class Recorder:
    """Writes one session's events as an importer would."""

    def __init__(self, world: World, name: str, *, base: str | None = None) -> None:
        self.world = world
        self.session = Session[str](
            id=derive_id("ses", name),
            source="claude-code",
            provider_session_id=name,
            cwd=str(world.folder),
            base_commit=base,
            started_at=world.now,
        )
        self.events: list[Event[str]] = []

    def _add(self, kind: EventKind, **fields: object) -> None:
        self.world.wait(minutes=1)
        sequence = len(self.events)
        self.events.append(
            Event[str](
                id=f"{self.session.id}/{sequence}",
                session_id=self.session.id,
                sequence=sequence,
                kind=kind,
                at=self.world.now,
                **fields,  # type: ignore[arg-type]
            )
        )

    def prompt(self, text: str = "please") -> Recorder:
        """The user asks."""
        self._add(EventKind.PROMPT, text=text)
        return self

    def write(self, path: str, text: str) -> Recorder:
        """A whole-file write, carried out in the worktree."""
        file = self.world.folder / path
        before = file.read_text() if file.exists() else None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        edit = FileEdit[str](
            path=path, operation="update" if before is not None else "create", before=before, after=text
        )
        self._add(EventKind.EDIT, tool="Write", model="m", edit=edit)
        return self

    def replace(self, path: str, old: str, new: str, *, agent: str | None = None, success: bool = True) -> Recorder:
        """A search and replace, carried out in the worktree unless it failed."""
        file = self.world.folder / path
        before = file.read_text()
        if success:
            file.write_text(before.replace(old, new, 1))
        edit = FileEdit[str](
            path=path,
            operation="update",
            before=before if success else None,
            replacements=(Replacement(old, new),),
            success=success,
        )
        self._add(EventKind.EDIT, tool="Edit", model="m", edit=edit, agent=agent, is_error=not success)
        return self

    def command(self, line: str, output: str = "") -> Recorder:
        """A shell command."""
        self._add(EventKind.COMMAND, command=line, text=output)
        return self

    def reject(self) -> Recorder:
        """The user refuses a tool use."""
        self._add(EventKind.REJECTION)
        return self

    def save(self) -> str:
        """Store the session; returns its id."""
        session = Session[str](
            **{
                **{name: getattr(self.session, name) for name in self.session.__struct_fields__},
                "ended_at": self.world.now,
                "record_hashes": (self.session.id,),
            }
        )
        _, session_id = self.world.store.add_transcript(redact_transcript(Transcript(session, tuple(self.events))))
        return session_id


class World:
    """One repository, one store, one clock."""

    def __init__(self, folder: Path, store: Store, template: Path | None = None) -> None:
        self.folder = folder
        self.store = store
        self.now = START
        if template is not None:
            shutil.copytree(template, folder)
            self.wait(hours=MODULES * 5)
            return
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        for number in range(MODULES):  # a history to be rare in
            self.file(f"src/module_{number}.py", module(number))
            self.commit(f"module {number}")
            self.wait(hours=4, minutes=58)

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def git(self, *arguments: str) -> str:
        """Run git as the user would."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.test",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.test",
            "GIT_AUTHOR_DATE": self.now.isoformat(),
            "GIT_COMMITTER_DATE": self.now.isoformat(),
        }
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def file(self, path: str, text: str) -> None:
        """Write a file as the user."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def read(self, path: str) -> str:
        """Read a file of the worktree."""
        return (self.folder / path).read_text()

    def commit(self, message: str, *paths: str) -> str:
        """Commit everything, or only `paths`; returns the SHA."""
        self.wait(minutes=2)
        self.git("add", "-A", *(("--", *paths) if paths else ()))
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def session(self, name: str, *, base: str | None = None) -> Recorder:
        """Begin a session."""
        return Recorder(self, name, base=base)

    def outcomes(self, *ignore: str) -> Summary:
        """Run the stage."""
        return compute(self.store, self.folder, ignore=frozenset(ignore))

    def outcome(self, session_id: str, *ignore: str) -> Outcome:
        """Run the stage and return one session's outcome."""
        return next(item for item in self.outcomes(*ignore).outcomes if item.session_id == session_id)


def module(number: int) -> str:
    """A small module whose lines no other has, beside some that all have."""
    return (
        "from __future__ import annotations\n\n\n"
        f"class Store{number}:\n"
        f'    """Holds part {number} of the inventory."""\n\n'
        "    def __init__(self) -> None:\n"
        f"        self.items_{number} = {{}}\n\n"
        f"    def lookup_{number}(self, name):\n"
        f"        found = self.items_{number}.get(name)\n"
        "        if found is None:\n"
        f"            raise KeyError(f'part {number}: {{name}}')\n"
        "        return found\n"
    )


def feature(name: str, lines: int = 6) -> str:
    """A function whose lines are its own."""
    body = "".join(f"    {name}_step_{index} = compute_{name}({index}, '{name}-{index}')\n" for index in range(lines))
    return f"\n\ndef {name}(value):\n{body}    return {name}_step_0\n"

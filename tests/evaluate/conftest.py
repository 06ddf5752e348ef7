"""A small world: tasks, a store, a sandbox that runs nothing, models that follow a script."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from golddiff.evaluate import Arm, Role
from golddiff.providers import ScriptedUpstream
from golddiff.sandbox.fake import FakeSandbox
from golddiff.store import Store
from golddiff.types import Check, Clean, Example, Provenance

START = datetime(2026, 1, 1, tzinfo=UTC)


def task(
    number: int,
    *,
    checked: bool = True,
    executes: bool = True,
    family: str = "fstring",
    split: str = "test",
    files: int = 7,
) -> Example:
    """Task `number`: turn `old(number)` into `new(number)`; its check wants the last line of the window."""
    after = f"def f():\n    return new({number})\n"
    return Example(
        id=f"ex_{split}_{number}",
        kind="accepted",
        instruction=Clean("use new"),
        path=f"file{number % files}.py",
        start_line=1,
        before=Clean(f"def f():\n    return old({number})\n"),
        after=Clean(after),
        at=START + timedelta(days=number + (100 if split == "test" else 0)),
        provenance=Provenance(written_by="simulated", session_id=f"ses_{number // 2}"),
        check=Check(program=Clean("last line"), expected=Clean(json.dumps(last_line(after))), executes=executes)
        if checked
        else None,
        family=family,
        split=split,
    )


def last_line(text: str) -> str:
    return text.rstrip().split("\n")[-1].strip()


def answering(share: int, name: str = "model") -> ScriptedUpstream:
    """A model that gets `share` of every 10 tasks right and repeats the window on the others."""

    def script(messages: object) -> str:
        window = messages[-1].content.split("\n", 1)[1]  # type: ignore[index]
        number = int(window.split("(")[2].split(")")[0])
        return window.replace("old", "new") if number % 10 < share else window

    return ScriptedUpstream(script, name=name, likelihood=lambda pair: 2.0 - share / 10)


@dataclass(frozen=True)
class Answering:
    """Opens `answering(share)`, here or in another process."""

    share: int

    @property
    def name(self) -> str:
        return f"model-{self.share}"

    def open(self) -> ScriptedUpstream:
        return answering(self.share, self.name)


def arm(name: str, role: Role, share: int, **more: object) -> Arm:
    return Arm(name=name, role=role, identity=f"id-{name}", upstream=answering(share, name), **more)  # type: ignore[arg-type]


@pytest.fixture
def sandbox() -> FakeSandbox:
    return FakeSandbox(lambda job: json.dumps(last_line(job.candidate)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "workspace") as opened:
        yield opened

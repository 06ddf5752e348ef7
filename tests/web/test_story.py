"""The story of a session, as data and as text."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from golddiff.store import Store
from golddiff.types import (
    Attempt,
    AttemptFate,
    Clean,
    Commit,
    CommitLink,
    Event,
    EventKind,
    FileEdit,
    TestRun,
    Transcript,
    derive_id,
)
from golddiff.web import story_text
from golddiff.web.story import Story, tell
from web.report_lives import group, record
from web.report_records import event, outcome, session
from web.report_sessions import BEGAN

RED, GREEN = (
    TestRun(framework="pytest", passed=3, failed=1, success=False),
    TestRun(framework="pytest", passed=4, success=True),
)
BY_HAND = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,3 @@\n keep\n-old\n+new\n+more\n"


def edit(sequence: int, path: str) -> Event[Clean]:
    plain = event(sequence, EventKind.EDIT)
    return msgspec.structs.replace(plain, edit=FileEdit(path=path, operation="update"))


def attempt(index: int, first: int, last: int, fate: AttemptFate, distance: float, **fields: object) -> Attempt:
    values = {"tests": (), "revision": None} | fields
    return Attempt(
        id=derive_id("att", "ses_1", "repo_1", index), session_id="ses_1", index=index, first_event=first,
        last_event=last, ended_by="prompt", patch=Clean(""), added_lines=10, removed_lines=2, fate=fate,
        distance=distance, **values,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    events = (
        event(0, EventKind.PROMPT, "Add a flag\nplease"),
        edit(1, "a.py"),
        edit(2, "a.py"),
        edit(3, "b.py"),
        msgspec.structs.replace(event(4, EventKind.COMMAND), command=Clean("pytest"), tests=RED),
        event(5, EventKind.REJECTION),
        event(6, EventKind.PROMPT, "Also the [red]docs"),
        edit(7, "docs.md"),
        event(8, EventKind.PROMPT, "thanks"),
    )
    links = (CommitLink(sha="ab" * 20, confidence=0.97, lines_shared=7, lines_total=9, on_default_branch=True),)
    opened = Store.open(tmp_path / "w")
    opened.add_transcript(Transcript(session(), events))
    opened.put(outcome(commits=links), parents=["ses_1"])
    opened.put(
        Commit(
            id="cmt_1", repository_id="repo_1", sha="ab" * 20, committed_at=BEGAN, subject=Clean("feat: add a flag")
        ),
        parents=[],
    )
    first = attempt(0, 0, 5, AttemptFate.SUPERSEDED, 0.4, tests=(RED, GREEN), revision=Clean(BY_HAND))
    opened.put(first, parents=["ses_1"])
    opened.put(attempt(1, 6, 7, AttemptFate.KEPT, 0.0, revision=Clean("")), parents=["ses_1"])
    opened.put(record((group(), group(ended_days=3), group(ended_days=5, by=("ses_2",), count=2))), parents=["ses_1"])
    return opened


def told(store: Store) -> Story:
    with store:
        return tell(store, store.get(type(session()), "ses_1"))


def printed(story: Story, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    story_text.show(story, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_attempt_is_a_chapter_and_what_came_after_is_one_too(store: Store) -> None:
    first, second, after = told(store).chapters
    assert first.asked == ("Add a flag please",)
    assert first.edited == {"a.py": 2, "b.py": 1}
    assert (first.commands, first.rejections, first.fate, first.kept) == (1, 1, "superseded", 0.6)
    assert first.tests == ("pytest red (3 passed, 1 failed)", "pytest green (4 passed)")
    assert first.changed_by_hand == {"a.py": "+2 −1"}
    assert (second.asked, second.fate, second.changed_by_hand) == (("Also the [red]docs",), "kept", {})
    assert (after.asked, after.attempt_id) == (("thanks",), None)


def test_the_end_says_what_was_kept_where_and_how_long_it_lived(store: Store) -> None:
    story = told(store)
    assert (story.state, story.lines.kept) == ("revised", 6)
    assert [(end.subject, end.lines_shared, end.at) for end in story.endings] == [("feat: add a flag", 7, BEGAN)]
    assert story.life is not None
    assert (story.life.lines, story.life.still, story.life.ended_by_people, story.life.ended_by_agents) == (10, 4, 4, 2)
    assert story.life.median_days == 3
    assert story.life.observed_until == BEGAN + timedelta(days=40)


def test_the_text_tells_it_in_order_and_obeys_no_markup(store: Store) -> None:
    text = printed(told(store))
    parts = [
        "“Add a flag please”", "the agent edited a.py ×2, b.py; 1 command", "2 test runs, the last pytest green",
        "you stepped in: 1 rejected tool use", "+10 −2: superseded, 60 % of its added lines kept",
        "then you changed by hand: a.py +2 −1", "“Also the [red]docs”", "you changed nothing by hand", "“thanks”",
        "It ended revised (confidence 0.90)", "of 12 lines written: 6 kept, 1 revised, 3 dropped, 2 unknown",
        "in abababababab of 2026-08-03 “feat: add a flag”: 7 of its 9 added lines (confidence 0.97)",
        "of 10 accepted lines, 4 were still there on 12 Sep 2026", "had lived 3.0 days",
    ]  # fmt: skip
    places = [text.find(part) for part in parts]
    assert -1 not in places, dict(zip(parts, places, strict=True))
    assert places == sorted(places)


@pytest.mark.parametrize("width", [60, 100])
def test_it_fits_the_terminal(store: Store, width: int) -> None:
    assert max(len(line.rstrip()) for line in printed(told(store), width).splitlines()) <= width


def test_a_session_that_is_not_linked_says_what_to_run(tmp_path: Path) -> None:
    with Store.open(tmp_path / "w") as store:
        store.add_transcript(Transcript(session(), (event(0, EventKind.PROMPT, "Hello"),)))
        story = tell(store, store.get(type(session()), "ses_1"))
    assert story.state is None
    assert "golddiff outcomes --repo PATH" in printed(story)

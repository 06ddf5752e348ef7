"""Events become file states, with who wrote each line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from golddiff.outcomes.replay import BASE, OTHERS, Replay, replay
from golddiff.rights.redact import redact_transcript
from golddiff.types import Event, EventKind, FileEdit, Replacement, Session, Transcript

START = datetime(2026, 1, 1, tzinfo=UTC)


def run(*steps: tuple[EventKind, dict[str, object]], base: dict[str, str] | None = None) -> Replay:
    """Replay steps as one session."""
    events = [
        Event[str](
            id=f"e{index}",
            session_id="s",
            sequence=index,
            kind=kind,
            at=START + timedelta(minutes=index),
            **fields,  # type: ignore[arg-type]
        )
        for index, (kind, fields) in enumerate(steps)
    ]
    clean = redact_transcript(Transcript(Session[str](id="s", source="test"), tuple(events)))
    return replay(clean.events, lambda path: path, base.get if base is not None else None)


def prompt() -> tuple[EventKind, dict[str, object]]:
    return EventKind.PROMPT, {"text": "please"}


def edit(path: str = "a.py", *, agent: str | None = None, **fields: object) -> tuple[EventKind, dict[str, object]]:
    fields.setdefault("operation", "update")
    return EventKind.EDIT, {"edit": FileEdit[str](path=path, **fields), "tool": "Edit", "agent": agent}  # type: ignore[arg-type]


def test_replacements_apply_to_the_state_before_and_own_only_the_lines_they_change() -> None:
    done = run(prompt(), edit(before="one\ntwo\nthree\n", replacements=(Replacement("two\n", "2\nmore\n"),)))
    state = done.files["a.py"]
    assert state.text == "one\n2\nmore\nthree\n"
    assert state.origins == (BASE, 1, 1, BASE)


def test_reindenting_a_line_does_not_make_it_the_sessions() -> None:
    done = run(prompt(), edit(before="one\ntwo\n", after="if x:\n    one\n    two\n"))
    assert done.files["a.py"].origins == (1, BASE, BASE)


def test_hunks_without_the_file_are_applied_to_the_base_commit() -> None:
    step = edit(hunks="@@\n one\n-two\n+2\n")
    assert run(prompt(), step, base={"a.py": "one\r\ntwo\r\n"}).files["a.py"].text == "one\r\n2\r\n"


def test_an_edit_that_fits_nothing_leaves_the_state_unknown_and_its_lines_counted() -> None:
    done = run(prompt(), edit(replacements=(Replacement("gone\n", "gone\nnew line\n"),)))
    assert not done.files["a.py"].known
    assert done.fragments["a.py"] == [("new line\n", 1)]
    assert done.unplaced_edits == 1


def test_failed_edits_do_not_count() -> None:
    done = run(prompt(), edit(before="a\n", after="b\n", success=False))
    assert (done.files, done.failed_edits) == ({}, 1)


def test_what_changed_between_two_edits_is_the_users_or_a_commands() -> None:
    first = edit(operation="create", after="one\n")
    later = edit(before="one\nby hand\n", after="one\nby hand\ntwo\n")
    by_user = run(prompt(), first, prompt(), later)
    assert by_user.files["a.py"].origins == (1, OTHERS, 3)
    assert by_user.user_changes == 1
    command = (EventKind.COMMAND, {"command": "sed -i s/x/y/ a.py"})
    by_command = run(prompt(), first, command, later)
    assert by_command.files["a.py"].origins == (1, OTHERS, 3)
    assert (by_command.user_changes, by_command.writing_commands) == (0, 1)


def test_the_agent_yields_at_prompts_rejections_interruptions_and_the_end_if_it_changed_something() -> None:
    done = run(
        prompt(),
        edit(operation="create", after="1\n"),
        prompt(),
        (EventKind.MODEL_CALL, {"text": "nothing to do"}),
        prompt(),
        edit(before="1\n", after="2\n"),
        (EventKind.REJECTION, {}),
        (EventKind.INTERRUPTION, {}),
        prompt(),
        edit(before="2\n", after="3\n"),
    )
    assert [(a.ended_by, a.first_event, a.last_event) for a in done.attempts] == [
        ("prompt", 0, 1),
        ("rejection", 4, 6),
        ("end", 8, 9),
    ]
    assert [a.files["a.py"].text for a in done.attempts] == ["1\n", "2\n", "3\n"]


def test_sub_agents_edits_belong_to_the_session_and_their_prompts_end_nothing() -> None:
    inner = (EventKind.PROMPT, {"text": "task", "agent": "a1"})
    done = run(
        prompt(),
        edit(operation="create", after="1\n"),
        inner,
        edit("b.py", operation="create", after="2\n", agent="a1"),
    )
    assert len(done.attempts) == 1
    assert set(done.files) == {"a.py", "b.py"}


def test_moves_and_deletions_are_states_too() -> None:
    moved = run(prompt(), edit(operation="move", new_path="b.py"), base={"a.py": "one\n"})
    assert (moved.files["a.py"].text, moved.files["b.py"].text) == (None, "one\n")
    deleted = run(prompt(), edit(operation="delete"), base={"a.py": "one\n"})
    assert deleted.files["a.py"].lines is None
    assert deleted.writes[0].removed == ["one\n"]


def test_throwing_work_away_is_remembered_until_the_next_edit() -> None:
    undo = (EventKind.COMMAND, {"command": "git checkout -- ."})
    made = edit(operation="create", after="1\n")
    assert run(prompt(), made, undo).undone
    assert not run(prompt(), made, undo, edit(before="1\n", after="2\n")).undone


def test_lines_without_a_place_go_along_when_their_file_is_moved() -> None:
    done = run(
        prompt(),
        edit(hunks="@@\n gone\n+first\n"),
        edit(hunks="@@\n gone\n+second\n", operation="move", new_path="b.py"),
    )
    assert not done.files["b.py"].known
    assert done.fragments == {"b.py": [("first\n", 1), ("second\n", 2)]}


def test_an_edit_without_a_place_gets_one_when_a_later_edit_shows_the_whole_file() -> None:
    done = run(
        prompt(),
        edit(replacements=(Replacement("two\n", "2\nmore of it\n"),)),
        edit(before="one\n2\nmore of it\nthree\n", replacements=(Replacement("three\n", "3\n"),)),
    )
    assert done.base["a.py"].text == "one\ntwo\nthree\n"
    assert done.files["a.py"].origins == (BASE, 1, 1, 2)
    assert done.unplaced_edits == 0


def test_hunks_without_a_place_get_one_too() -> None:
    done = run(
        prompt(),
        edit(hunks="@@\n one\n-two\n+2\n"),
        edit(before="one\n2\nthree\n", replacements=(Replacement("three\n", "3\n"),)),
    )
    assert (done.base["a.py"].text, done.files["a.py"].origins) == ("one\ntwo\nthree\n", (BASE, 1, 2))


def test_where_such_an_edit_cannot_be_taken_back_its_lines_are_found_and_the_base_stays_unknown() -> None:
    step = Replacement("gone\n", "a line of the agent's very own\n")
    after = "one\na line of the agent's very own\nby hand\na line of the agent's very own\n"
    done = run(prompt(), edit(replacements=(step,)), edit(before=after, after=after + "end\n"))
    assert not done.base["a.py"].known
    assert done.files["a.py"].origins == (BASE, 1, BASE, BASE, 2)
    assert done.unplaced_edits == 1

"""The live branch of a tree of records."""

from __future__ import annotations

from golddiff.record.importers.claude_code.tree import Node, live_records


def _say(uuid: str, parent: str | None, **more: object) -> Node:
    return Node(uuid, parent, speaks=True, **more)  # type: ignore[arg-type]


def test_no_record_means_nothing_is_live() -> None:
    assert live_records([]) == set()
    assert live_records([Node("a", None)]) == set()


def test_ancestors_of_the_newest_record_are_live_through_housekeeping() -> None:
    nodes = [_say("a", None), Node("p", "a"), _say("b", "p"), _say("x", "a"), _say("c", "b")]
    assert live_records(nodes) == {0, 2, 4}


def test_lines_and_answers_of_a_live_message_are_live() -> None:
    nodes = [
        _say("a", None),
        _say("m1", "a", message_id="m", calls=("t1",)),
        _say("m2", "m1", message_id="m", calls=("t2",)),
        _say("r1", "m1", answers=("t1",)),
        _say("r2", "m2", answers=("t2",)),
        _say("n", "r1", message_id="n"),
    ]
    assert live_records(nodes) == {0, 1, 2, 3, 4, 5}


def test_a_lost_parent_is_stood_in_for_by_the_record_before() -> None:
    nodes = [_say("a", None), _say("b", "a"), Node("side", None), _say("c", "lost"), _say("d", "c")]
    assert live_records(nodes) == {0, 1, 3, 4}


def test_a_loop_of_parents_ends() -> None:
    assert live_records([_say("a", "b"), _say("b", "a")]) == {0, 1}


def test_a_long_session_with_many_lost_parents_takes_no_long_time() -> None:
    nodes = [_say(str(number), f"lost{number}") for number in range(50_000)]
    assert len(live_records(nodes)) == 50_000

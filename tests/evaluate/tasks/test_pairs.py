"""Two models are compared on the tasks that both have a verdict for, and never without an interval."""

from __future__ import annotations

import pytest

from golddiff.evaluate.tasks.pairs import pairs, shares
from golddiff.evaluate.tasks.predictions import Judged
from golddiff.statistics.intervals import wilson


def judged(model: str, *resolved: bool | None) -> list[Judged]:
    return [
        Judged(instance_id=f"task-{number}", model=model, resolved=one, verdict="", detail="", tests={}, seconds=0.0)
        for number, one in enumerate(resolved)
    ]


def test_a_pair_is_compared_on_the_tasks_that_both_have_a_verdict_for() -> None:
    (pair,) = pairs([*judged("base", False, False, False, True, None), *judged("student", True, True, False, False)])
    assert (pair.first, pair.second, pair.tasks, pair.only_first, pair.only_second) == ("base", "student", 4, 1, 2)
    assert pair.difference.estimate == pytest.approx(0.25)
    assert pair.difference.low < 0 < pair.difference.high
    assert pair.p_value == 1.0


def test_with_more_models_each_pair_has_to_show_more() -> None:
    right, wrong = [True] * 8, [False] * 8
    (alone,) = pairs([*judged("a", *wrong), *judged("b", *right)])
    found = pairs([*judged("a", *wrong), *judged("b", *right), *judged("c", *right)])
    assert alone.p_value == pytest.approx(2 / 2**8)
    assert [pair.p_value for pair in found] == pytest.approx([3 * alone.p_value, 3 * alone.p_value, 1.0])
    assert found[2].difference.low < 0 < found[2].difference.high  # the same everywhere is no certainty


def test_nothing_is_said_of_one_model_of_one_task_or_of_several_answers() -> None:
    assert pairs(judged("a", True, False)) == []
    assert pairs([*judged("a", True), *judged("b", False)]) == []
    assert pairs([*judged("a", True, True), *judged("a", False, True), *judged("b", False, False)]) == []


def test_a_change_without_a_verdict_is_in_no_share() -> None:
    some, none = shares([*judged("a", True, False, None), *judged("b", None)])
    assert (some.resolved, some.scored, some.unscored) == (1, 2, 1)
    assert some.share is not None
    assert (some.share.estimate, none.share) == (0.5, None)


def test_more_answers_to_the_same_tasks_make_no_share_surer() -> None:
    resolved = (True, True, True, False, False)
    (once,) = shares(judged("a", *resolved))
    (often,) = shares([one for _ in range(40) for one in judged("a", *resolved)])
    assert (often.resolved, often.scored) == (120, 200)
    assert once.share == often.share == wilson(3, 5)


def test_where_answers_to_a_task_differ_tasks_are_what_is_drawn_and_count_alike() -> None:
    answers = [
        *judged("a", True, False, True, False, True),
        *judged("a", False, False, True, False),
        *judged("b", True),
    ]
    mixed, single = shares([*answers, *judged("b", False)])
    assert mixed.share is not None
    assert (mixed.share.estimate, mixed.share.clusters) == (pytest.approx((0.5 + 0 + 1 + 0 + 1) / 5), 5)
    assert single.share is None  # a single task tells nothing of how far tasks differ

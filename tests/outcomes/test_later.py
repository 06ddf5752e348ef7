"""What comes after the linked commits: follow-ups by a person are revisions, another session's changes are not."""

from __future__ import annotations

from datetime import timedelta

from golddiff.outcomes.run import compute
from golddiff.types import Outcome, SessionState
from outcomes.world import World, feature


def corrected(world: World, days: float) -> tuple[str, str]:
    """A session whose commit a person corrects after some days; returns the session and the correction."""
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    world.wait(days=days)
    world.file("src/new.py", world.read("src/new.py").replace("compute_alpha(2, 'alpha-2')", "compute_alpha(2, 'TWO')"))
    return session, world.commit("two is special")


def test_a_correction_soon_after_is_a_revision_and_in_the_gold_diff(world: World) -> None:
    session, fix = corrected(world, 3)
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines, outcome.revised_lines) == (SessionState.REVISED, 7, 1)
    assert "'TWO'" in outcome.gold_patch
    assert f"commit {fix[:10]} corrected it by hand" in outcome.reasons


def test_a_correction_after_the_window_is_not(world: World) -> None:
    session, _ = corrected(world, 8)
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines) == (SessionState.ACCEPTED, 8)
    assert "'TWO'" not in outcome.gold_patch


def test_the_window_is_an_option_and_none_leaves_follow_ups_out(world: World) -> None:
    session, _ = corrected(world, 8)
    compute(world.store, world.folder, follow_up=timedelta(days=9))
    (outcome,) = world.store.find(Outcome, session_id=session)
    assert outcome.revised_lines == 1
    compute(world.store, world.folder, follow_up=timedelta())
    (outcome,) = world.store.find(Outcome, session_id=session)
    assert outcome.revised_lines == 0


def test_a_change_by_a_later_session_is_no_revision_by_the_user(world: World) -> None:
    first = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    world.wait(days=1)
    changed = world.read("src/new.py").replace("compute_alpha(2, 'alpha-2')", "compute_alpha(2, 'TWO')")
    world.session("s2").prompt().write("src/new.py", changed + feature("beta")).save()
    world.commit("beta, and two")
    assert world.outcome(first).state is SessionState.ACCEPTED


def test_a_persons_other_work_in_the_same_file_is_not_the_sessions(world: World) -> None:
    before = world.read("src/module_1.py")
    session = world.session("s1").prompt().write("src/module_1.py", before + feature("alpha")).save()
    world.commit("alpha")
    world.wait(days=1)
    world.file("src/module_1.py", feature("users_own").lstrip() + before + feature("alpha").replace("-2'", "-two'"))
    world.commit("mine, and a correction")
    outcome = world.outcome(session)
    assert outcome.revised_lines == 1
    assert "users_own" not in outcome.gold_patch


def test_lines_that_a_person_only_adds_between_the_sessions_are_no_revision_and_are_told(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    world.wait(days=1)
    text = world.read("src/new.py").splitlines(keepends=True)
    place = next(at for at, line in enumerate(text) if "alpha-2" in line)
    world.file("src/new.py", "".join([*text[:place], "    if nothing_to_do():\n", *text[place:], "THEIR_OWN = 1\n"]))
    fix = world.commit("nothing to do")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.revised_lines, outcome.dropped_lines) == (SessionState.ACCEPTED, 0, 0)
    assert "nothing_to_do" not in outcome.gold_patch
    why = f"commit {fix[:10]} added 1 line(s) between its lines, which stayed as they were: the user's own"
    assert why in outcome.reasons


def test_what_a_person_replaces_as_a_whole_soon_after_was_accepted_and_revised_not_rejected(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    world.wait(days=2)
    world.file("src/new.py", "RATES = {1: 'one', 3: 'three'}\n")
    fix = world.commit("a table will do")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines, outcome.dropped_lines) == (SessionState.REVISED, 0, 8)
    assert f"it was committed as it was, and commit {fix[:10]} soon replaced all of its lines" in outcome.reasons


def test_a_file_that_was_renamed_since_is_followed_to_its_new_name(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    for old, new in (("src/new.py", "src/newer.py"), ("src/newer.py", "src/newest.py")):
        world.wait(days=1)
        (world.folder / old).rename(world.folder / new)
        world.commit("another name")
    text = world.read("src/newest.py")
    world.file("src/newest.py", text.replace("    return alpha_", "    if nothing_to_do():\n    return alpha_"))
    between = world.commit("nothing to do")
    assert f"commit {between[:10]} added 1 line(s) between its lines" in "\n".join(world.outcome(session).reasons)
    world.file("src/newest.py", world.read("src/newest.py").replace("(2, 'alpha-2')", "(2, 'TWO')"))
    fix = world.commit("two is special")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines, outcome.revised_lines) == (SessionState.REVISED, 7, 1)
    assert f"commit {fix[:10]} corrected it by hand" in outcome.reasons
    assert "+++ b/src/newest.py" in outcome.gold_patch
    assert "'TWO'" in outcome.gold_patch
    assert "nothing_to_do" not in outcome.gold_patch

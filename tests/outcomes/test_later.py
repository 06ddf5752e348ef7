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


def renamed(world: World, old: str, new: str) -> str:
    """A person gives a file another name a day later; returns the commit."""
    world.wait(days=1)
    (world.folder / old).rename(world.folder / new)
    return world.commit("another name")


def added_then_renamed(world: World) -> tuple[str, str]:
    """A session adds a function to a file that is renamed a day later; returns the session and its commit."""
    text = world.read("src/module_1.py") + feature("alpha")
    session = world.session("s1").prompt().write("src/module_1.py", text).save()
    commit = world.commit("alpha")
    renamed(world, "src/module_1.py", "src/renamed.py")
    return session, commit


def test_a_revert_after_a_rename_is_seen_and_so_is_the_revert_of_the_revert(world: World) -> None:
    session, commit = added_then_renamed(world)
    world.git("revert", "--no-edit", commit)
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines, outcome.gold_patch) == (SessionState.REJECTED, 0, "")
    renamed(world, "src/renamed.py", "src/module_1.py")
    renamed(world, "src/module_1.py", "src/newest.py")
    world.git("revert", "--no-edit", "HEAD~2")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines) == (SessionState.ACCEPTED, 8)
    assert "+++ b/src/newest.py" in outcome.gold_patch


def test_a_revert_after_a_rename_is_seen_where_it_does_not_say_so(world: World) -> None:
    session, commit = added_then_renamed(world)
    world.git("revert", "--no-commit", commit)
    away = world.commit("no, thank you")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.REJECTED
    assert f"commit {commit[:10]} was reverted by {away[:10]}" in outcome.reasons
    world.git("revert", "--no-commit", "HEAD")
    world.commit("or yes, please")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines, outcome.revised_lines) == (SessionState.ACCEPTED, 8, 0)


def test_a_new_file_that_is_deleted_under_its_new_name_was_reverted(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    renamed(world, "src/new.py", "src/newer.py")
    world.git("rm", "-q", "src/newer.py")
    world.commit("no, thank you")
    assert world.outcome(session).state is SessionState.REJECTED


def test_most_of_it_taken_back_after_a_rename_by_a_commit_that_says_so_is_a_revert_until_it_comes_back(
    world: World,
) -> None:
    session, commit = added_then_renamed(world)
    text = world.read("src/renamed.py").splitlines(keepends=True)
    world.file("src/renamed.py", "".join(line for line in text if "alpha_step_" not in line or "return" in line))
    world.commit(f"most of it goes\n\nThis reverts commit {commit}.")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.REJECTED
    world.file("src/renamed.py", "".join(text))
    world.commit("it was right")
    assert world.outcome(session).state is SessionState.ACCEPTED


def test_a_file_that_was_renamed_before_its_first_commit_is_corrected_under_that_name(world: World) -> None:
    for seen in (False, True):
        old, new, name = (f"src/{which}_{seen}.py".lower() for which in ("old", "new", "name"))
        if seen:
            world.file(old, feature("theirs", 20))
            world.commit("theirs")
        before = world.read(old) if seen else ""
        session = world.session(f"s{seen}").prompt().write(old, before + feature(name[4:-3])).save()
        (world.folder / old).rename(world.folder / new)
        world.commit("alpha")
        world.wait(days=1)
        world.file(new, world.read(new).replace(f"(2, '{name[4:-3]}-2')", "(2, 'TWO')"))
        world.commit("two is special")
        outcome = world.outcome(session)
        assert (outcome.state, outcome.kept_lines, outcome.revised_lines) == (SessionState.REVISED, 7, 1), seen


def test_lines_that_were_written_before_a_rename_between_two_commits_are_known_after_the_second(world: World) -> None:
    recorder = world.session("s1").prompt().write("src/new.py", feature("alpha"))
    world.commit("alpha")
    renamed(world, "src/new.py", "src/newer.py")
    session = recorder.prompt().write("src/newer.py", world.read("src/newer.py") + feature("beta")).save()
    world.commit("beta")
    renamed(world, "src/newer.py", "src/newest.py")
    text = world.read("src/newest.py")
    world.file("src/newest.py", text.replace("    return alpha_", "    if nothing_to_do():\n    return alpha_"))
    between = world.commit("nothing to do")
    world.file("src/newest.py", world.read("src/newest.py").replace("(2, 'alpha-2')", "(2, 'TWO')"))
    fix = world.commit("two is special")
    reasons = "\n".join(world.outcome(session).reasons)
    assert f"commit {fix[:10]} corrected it by hand" in reasons
    assert f"commit {between[:10]} added 1 line(s) between its lines" in reasons

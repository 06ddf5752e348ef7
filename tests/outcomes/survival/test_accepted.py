"""The survival of a session's accepted lines: exactly those, from the commit that accepted them to the one that ended
them."""

from __future__ import annotations

from datetime import timedelta

from golddiff.types import LineFate, LivedLines, SessionState, Survival
from outcomes.world import World, feature


def groups(world: World, session: str) -> list[LivedLines]:
    """The groups of the one record that a session has."""
    outcome = world.outcome(session)
    (record,) = world.store.find(Survival, session_id=session)
    assert record.outcome_id == outcome.id
    assert world.store.parents(record.id) == [outcome.id]
    return list(record.groups)


def accept(world: World, name: str = "alpha", path: str = "src/new.py") -> tuple[str, str]:
    """A session that adds a file, committed as it stands."""
    session = world.session(name).prompt().write(path, feature(name)).save()
    return session, world.commit(f"add {name}")


def test_lines_that_are_still_there_are_alive_and_observed_until_the_last_commit(world: World) -> None:
    session, sha = accept(world)
    world.wait(days=9)
    world.file("README.md", "more\n")
    world.commit("something else")
    (group,) = groups(world, session)
    assert (group.path, group.first_line, group.lines, group.fate) == ("src/new.py", 3, 8, LineFate.KEPT)
    assert (group.accepted_by, group.ended_by, group.ended_at, group.commits_survived) == (sha, None, None, 1)
    assert group.characters == sum(len(line) for line in feature("alpha").splitlines())
    (record,) = world.store.find(Survival)
    assert record.observed_until - group.accepted_at >= timedelta(days=9)
    assert (record.branch, record.tip) == ("refs/heads/main", world.git("rev-parse", "HEAD"))


def test_lines_that_a_person_removes_end_with_that_commit_and_no_session_did_it(world: World) -> None:
    session, _ = accept(world)
    world.wait(days=30)
    world.file("src/new.py", "\n".join(feature("alpha").splitlines()[:6]) + "\n")
    removed = world.commit("less")
    alive, ended = groups(world, session)
    assert (alive.lines, ended.lines, ended.ended_by, ended.ended_by_sessions) == (4, 4, removed, ())
    assert ended.ended_at is not None
    assert timedelta(days=30) <= ended.ended_at - ended.accepted_at < timedelta(days=31)


def test_lines_that_a_later_session_overwrites_name_that_session(world: World) -> None:
    first, _ = accept(world)
    world.wait(days=3)
    second = world.session("beta").prompt().write("src/new.py", feature("beta_rewrite", 9)).save()
    rewrite = world.commit("rewrite")
    world.outcomes()
    rows = groups(world, first)
    assert {(row.ended_by, row.ended_by_sessions) for row in rows if row.ended_by} == {(rewrite, (second,))}
    assert all(row.ended_by is None for row in groups(world, second))


def test_the_users_own_lines_in_the_same_commit_are_not_the_sessions(world: World) -> None:
    session = world.session("alpha").prompt().write("src/new.py", feature("alpha")).save()
    world.file("src/new.py", feature("alpha") + feature("written_by_hand", 4))
    world.file("src/own.py", feature("also_by_hand", 4))
    world.commit("both")
    assert sum(group.lines for group in groups(world, session)) == 8


def test_lines_rewritten_before_the_merge_ended_there(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    session, sha = accept(world)
    world.wait(hours=1)
    world.file("src/new.py", feature("alpha").replace("alpha_step_3 = compute_alpha(3, 'alpha-3')", "changed = 1"))
    world.commit("by hand")
    world.git("checkout", "-q", "main")
    world.file("README.md", "meanwhile\n")
    world.commit("meanwhile")
    world.wait(days=1)
    world.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic")
    merge = world.git("rev-parse", "HEAD")
    rows = groups(world, session)
    assert [(row.lines, row.ended_by, row.commits_survived) for row in rows] == [
        (4, None, 0),
        (1, merge, 0),
        (3, None, 0),
    ]
    assert {row.accepted_by for row in rows} == {sha}


def test_reverted_lines_end_and_go_on_where_the_revert_is_reverted(world: World) -> None:
    session, sha = accept(world)
    world.wait(days=2)
    world.git("revert", "--no-edit", sha)
    reverted = world.git("rev-parse", "HEAD")
    assert [group.ended_by for group in groups(world, session)] == [reverted]
    world.wait(days=2)
    world.git("revert", "--no-edit", reverted)
    assert [group.ended_by for group in groups(world, session)] == [None]


def test_reverted_lines_go_on_where_the_revert_is_reverted_under_another_name(world: World) -> None:
    text = world.read("src/module_1.py") + feature("alpha")
    session = world.session("s1").prompt().write("src/module_1.py", text).save()
    sha = world.commit("add alpha")
    for old, new in (("src/module_1.py", "src/renamed.py"), ("src/renamed.py", "src/newest.py")):
        world.wait(days=1)
        (world.folder / old).rename(world.folder / new)
        world.commit("another name")
        world.git("revert", "--no-edit", sha)
        sha = world.git("rev-parse", "HEAD")
    assert [(group.path, group.lines, group.ended_by) for group in groups(world, session)] == [
        ("src/module_1.py", 8, None)
    ]


def test_an_outcome_without_a_commit_on_the_default_branch_has_no_survival(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    session, _ = accept(world)
    world.git("checkout", "-q", "main")
    assert world.outcome(session).commits
    assert world.store.count(Survival) == 0


def test_a_second_run_replaces_what_the_first_said(world: World) -> None:
    session, _ = accept(world)
    before = groups(world, session)
    assert groups(world, session) == before
    world.git("rm", "-q", "src/new.py")
    world.commit("gone")
    assert all(group.ended_by for group in groups(world, session))
    assert world.store.count(Survival) == 1
    assert world.outcome(session).state is not SessionState.UNKNOWN

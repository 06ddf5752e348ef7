"""Every kind of evidence moves the confidence, can be left out, and is believed no further than it goes."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from golddiff.git import GitRepository
from golddiff.outcomes.evidence import BY_NAME_ALONE, KINDS, NAMES
from golddiff.outcomes.link import LINKED
from golddiff.store.repositories import describe_repository
from golddiff.types import (
    Attribution,
    Clean,
    CommitLink,
    Contributor,
    LineRange,
    SessionState,
    Signal,
    Snapshot,
)
from outcomes.world import World, feature

NAME = "0123-session"


def repository_id(world: World) -> str:
    """Our id of the world's repository."""
    with GitRepository.open(world.folder) as git:
        return describe_repository(git).id


def claim(world: World, source: str, revision: str, *paths: str) -> None:
    """Another tool says that the session wrote lines of these files."""
    lines = tuple(LineRange(path=Clean(path), first_line=1, last_line=3) for path in paths)
    world.store.put(
        Attribution[Clean](
            id=f"att_{source}",
            source=source,
            claim="1",
            repository_id=repository_id(world),
            revision=revision,
            contributor=Contributor.AI,
            provider_session_id=NAME,
            lines=lines,
        )
    )


def silent(world: World) -> tuple[str, str]:
    """A session that changed a file by a command only, and the commit that holds it."""
    session = world.session(NAME).prompt().command("sed -i s/inventory/stock/ src/module_1.py").save()
    world.file("src/module_1.py", world.read("src/module_1.py").replace("inventory", "stock"))
    return session, world.commit("by a command")


def link_of(world: World, session: str, sha: str, *ignore: str) -> CommitLink | None:
    """The link of a session to one commit."""
    return next((link for link in world.outcome(session, *ignore).commits if link.sha == sha), None)


@pytest.mark.parametrize(("source", "kind"), [("git-ai", "notes"), ("entire", "trailer")])
def test_a_claim_about_a_commit_names_it_and_can_be_left_out(world: World, source: str, kind: str) -> None:
    session, sha = silent(world)
    claim(world, source, sha, "src/module_1.py")
    link = link_of(world, session, sha)
    assert link is not None
    assert [item.kind for item in link.evidence if item.kind in NAMES] == [kind]
    assert link_of(world, session, sha, kind) is None


def test_an_agent_trace_record_of_the_commit_before_speaks_for_the_one_that_changes_its_file(world: World) -> None:
    before = world.git("rev-parse", "HEAD")
    text = world.read("src/module_1.py") + feature("alpha")
    session = world.session(NAME).prompt().write("src/module_1.py", text).save()
    sha = world.commit("alpha")
    claim(world, "agent-trace", before, "src/module_1.py")
    link = link_of(world, session, sha)
    assert link is not None
    assert "trace" in {item.kind for item in link.evidence}
    claim(world, "agent-trace", before, "src/other.py")
    link = link_of(world, session, sha)
    assert link is not None
    assert "trace" not in {item.kind for item in link.evidence}


def test_a_name_alone_is_stated_with_no_more_than_its_bound(world: World) -> None:
    session, sha = silent(world)
    claim(world, "git-ai", sha, "src/module_1.py")
    link = link_of(world, session, sha)
    assert link is not None
    assert LINKED < link.confidence == pytest.approx(1 / (1 + math.exp(-BY_NAME_ALONE)), abs=1e-3)


@pytest.mark.parametrize("minutes", [1, 60, 5000])
@pytest.mark.parametrize("shared", ["", "        return found\n", "class Store1:\n"])
def test_forged_names_on_a_commit_of_other_lines_make_no_link(world: World, minutes: int, shared: str) -> None:
    session = world.session(NAME).prompt().write("src/new.py", feature("alpha", 20) + shared).save()
    (world.folder / "src/new.py").unlink()
    world.wait(minutes=minutes)
    world.file("src/other.py", feature("users_own", 20) + shared)
    sha = world.commit(f"mine\n\nAgent-Session: {NAME}")
    claim(world, "git-ai", sha, "src/other.py")
    outcome = world.outcome(session)
    assert outcome.commits == ()
    assert outcome.state is SessionState.UNKNOWN


def test_a_commit_checked_out_where_the_session_ran_is_likelier(world: World) -> None:
    before = world.git("rev-parse", "HEAD")
    session = world.session(NAME).prompt().write("src/new.py", feature("alpha")).save()
    first, made = world.now - timedelta(seconds=30), world.commit("alpha")
    for index, (at, head) in enumerate(((first, before), (world.now + timedelta(seconds=5), made))):
        world.store.put(
            Snapshot(
                id=f"sna_{index}",
                repository_id=repository_id(world),
                root=Clean(str(world.folder)),
                cause="yield",
                taken_at=at,
                head=head,
            )
        )
    link = link_of(world, session, made)
    assert link is not None
    assert [item.weight for item in link.evidence if item.kind == "head"] == [2.5]
    link = link_of(world, session, made, "head")
    assert link is not None
    assert "head" not in {item.kind for item in link.evidence}


def test_what_the_user_said_before_the_commit_counts_and_can_be_left_out(world: World) -> None:
    session = world.session(NAME).prompt().write("src/new.py", feature("alpha")).save()
    world.store.put(Signal(id="sig_1", kind="reject", at=world.now, via="cli", session=session))
    sha = world.commit("alpha")
    link = link_of(world, session, sha)
    assert link is not None
    assert [item.weight for item in link.evidence if item.kind == "signal"] == [-2.0]
    assert world.outcome(session).state is SessionState.REJECTED
    assert world.outcome(session, "signal").state is SessionState.ACCEPTED


def test_with_every_kind_left_out_nothing_is_linked(world: World) -> None:
    session = world.session(NAME).prompt().write("src/new.py", feature("alpha")).save()
    sha = world.commit(f"alpha\n\nAgent-Session: {NAME}")
    link = link_of(world, session, sha)
    assert link is not None
    assert link.confidence >= LINKED
    assert world.outcome(session, *KINDS).commits == ()

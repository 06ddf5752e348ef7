"""Each kind of evidence says what it should, and certainty has bounds."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from golddiff.outcomes.evidence import KINDS
from golddiff.outcomes.link import LINKED
from outcomes.world import World, feature


def test_every_piece_of_evidence_is_named_and_the_stated_probability_is_never_one(world: World) -> None:
    base = world.git("rev-parse", "HEAD")
    before = world.read("src/module_1.py")
    recorder = world.session("s1", base=base).prompt().write("src/module_1.py", before + feature("alpha"))
    sha = world.commit("alpha")
    session = recorder.command("git commit -m alpha", f"[main {sha[:8]}] alpha\n 1 file changed").save()
    (link,) = world.outcome(session).commits
    assert {item.kind for item in link.evidence} == {"content", "files", "base", "time", "command"}
    assert {item.kind for item in link.evidence} <= set(KINDS)
    assert LINKED <= link.confidence < 1
    assert math.isclose(link.confidence, 1 / (1 + math.exp(-4.2)), abs_tol=1e-3)
    assert (link.lines_shared, link.lines_total) == (8, 8)


def test_a_commit_before_the_line_was_written_cannot_hold_it(world: World) -> None:
    world.file("src/new.py", feature("alpha"))
    earlier = world.commit("alpha, by hand")
    world.git("rm", "-q", "src/new.py")
    world.commit("gone again")
    world.wait(hours=1)
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    later = world.commit("alpha, by the agent")
    assert [link.sha for link in world.outcome(session).commits] == [later]
    assert earlier != later


def test_lines_that_many_sessions_wrote_tell_them_apart_by_time(world: World) -> None:
    shas, sessions = [], []
    for index in range(3):
        session = world.session(f"s{index}").prompt().write("notes.md", f"# Day {index}\n\n## Done\n\n- item {index}\n")
        sessions.append(session.save())
        shas.append(world.commit(f"day {index}"))
        world.wait(days=1)
    outcomes = {item.session_id: item for item in world.outcomes().outcomes}
    for session_id, sha in zip(sessions, shas, strict=True):
        assert [link.sha for link in outcomes[session_id].commits] == [sha]


def test_a_file_renamed_before_the_commit_is_found(world: World) -> None:
    session = world.session("s1").prompt().write("src/draft.py", feature("alpha", 12)).save()
    (world.folder / "src/draft.py").rename(world.folder / "src/final.py")
    sha = world.commit("alpha, under its final name")
    assert [link.sha for link in world.outcome(session).commits] == [sha]


def test_a_later_copy_is_known_as_one_across_a_merge(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    session = world.session("s1").prompt().write("src/new.py", feature("alpha", 20)).save()
    sha = world.commit("alpha")
    world.git("checkout", "-q", "main")
    world.file("README.md", "meanwhile\n")
    world.commit("meanwhile")
    world.git("merge", "-q", "--no-ff", "-m", "merge topic", "topic")
    world.wait(hours=2)
    world.git("rm", "-q", "src/new.py")
    world.commit("gone")
    world.wait(hours=2)
    world.file("src/new.py", feature("alpha", 19) + feature("beta", 2))
    world.commit("back again, by hand")
    assert [link.sha for link in world.outcome(session).commits] == [sha]


def test_a_small_session_in_a_young_repository_is_linked_without_a_whole_file_to_compare(
    world: World, tmp_path: Path
) -> None:
    young = tmp_path / "young"
    young.mkdir()
    world.folder = young
    world.git("init", "-q", "-b", "main")
    world.file("app.py", "def greet(name):\n    return f'hello {name}'\n")
    world.commit("first")
    recorder = world.session("s1").prompt()
    recorder.replace("app.py", "    return", "    title = name.strip().capitalize()\n    return")
    (event,) = [event for event in recorder.events if event.edit is not None]
    assert event.edit is not None
    shown = msgspec.structs.replace(event.edit, before=None)  # some clients show no more than the replacement
    recorder.events[-1] = msgspec.structs.replace(event, edit=shown)
    session = recorder.save()
    world.file("app.py", world.read("app.py") + "\n\nprint(greet('you'))\n")  # so no file is exactly as it was left
    sha = world.commit("greet people by their name")
    outcome = world.outcome(session)
    assert [link.sha for link in outcome.commits] == [sha]
    assert outcome.kept_lines == outcome.written_lines == 1

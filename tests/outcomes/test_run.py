"""What git does to a session's work, and what the stage makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from golddiff import patch
from golddiff.errors import InputError, UsageError
from golddiff.outcomes.run import compute, parse_kinds
from golddiff.types import Attempt, AttemptFate, Commit, LineFate, Outcome, SessionState
from outcomes.world import World, feature, module


def test_a_session_committed_as_it_stands_is_accepted_and_its_gold_diff_applies(world: World) -> None:
    base = world.git("rev-parse", "HEAD")
    before = world.read("src/module_1.py")
    session = world.session("s1").prompt().write("src/module_1.py", before + feature("alpha")).save()
    sha = world.commit("add alpha")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.ACCEPTED
    assert [link.sha for link in outcome.commits] == [sha]
    assert outcome.base == base
    assert [(hunk.path, hunk.start_line, hunk.tool, hunk.model, hunk.kept) for hunk in outcome.hunks] == [
        ("src/module_1.py", 17, "Write", "m", 8)
    ]
    assert (outcome.written_lines, outcome.kept_lines, outcome.revised_lines, outcome.dropped_lines) == (8, 8, 0, 0)
    (file,) = patch.parse(outcome.gold_patch)
    assert patch.apply(file, before) == before + feature("alpha")
    (attempt,) = world.store.find(Attempt, session_id=session)
    assert (attempt.fate, attempt.distance, attempt.ended_by) == (AttemptFate.KEPT, 0.0, "end")


def test_lines_that_the_user_changes_before_the_commit_are_revised_and_the_gold_diff_has_the_users(
    world: World,
) -> None:
    before = world.read("src/module_1.py")
    session = world.session("s1").prompt().write("src/module_1.py", before + feature("alpha")).save()
    text = world.read("src/module_1.py").replace("compute_alpha(2, 'alpha-2')", "compute_alpha(2, 'ALPHA-2')")
    world.file("src/module_1.py", text.replace("    alpha_step_5 = compute_alpha(5, 'alpha-5')\n", ""))
    world.commit("add alpha")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.REVISED
    assert (outcome.kept_lines, outcome.revised_lines, outcome.dropped_lines) == (6, 1, 1)
    assert "ALPHA-2" in outcome.gold_patch
    assert sum(hunk.kept + hunk.revised + hunk.dropped for hunk in outcome.hunks) == outcome.written_lines


def test_a_branch_and_its_squash_on_the_default_branch_are_both_linked(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    first = world.commit("part one")
    world.file("src/new.py", feature("alpha") + feature("users_own"))
    world.commit("part two, by hand")
    world.git("checkout", "-q", "main")
    world.wait(days=2)
    world.git("merge", "--squash", "-q", "topic")
    squash = world.commit("the feature (#7)")
    outcome = world.outcome(session)
    assert {link.sha: link.on_default_branch for link in outcome.commits} == {first: False, squash: True}
    assert outcome.state is SessionState.ACCEPTED
    assert "users_own" not in outcome.gold_patch
    assert "alpha_step_3" in outcome.gold_patch


def test_a_rebased_and_amended_commit_is_found(world: World) -> None:
    world.git("checkout", "-q", "-b", "topic")
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("draft")
    world.git("checkout", "-q", "main")
    world.file("README.md", "moved on\n")
    world.commit("something else")
    world.git("checkout", "-q", "topic")
    world.git("rebase", "-q", "main")
    world.wait(minutes=30)
    world.git("commit", "-q", "--amend", "-m", "better message")
    amended = world.git("rev-parse", "HEAD")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--ff-only", "topic")
    outcome = world.outcome(session)
    assert [link.sha for link in outcome.commits] == [amended]
    assert outcome.state is SessionState.ACCEPTED


def test_of_a_partly_staged_session_the_rest_is_dropped(world: World) -> None:
    recorder = world.session("s1").prompt()
    recorder.write("src/kept.py", feature("alpha")).write("src/left.py", feature("beta"))
    session = recorder.save()
    world.commit("only alpha", "src/kept.py")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.REVISED
    fates = {hunk.path: (hunk.fate, hunk.reason) for hunk in outcome.hunks}
    assert fates["src/kept.py"] == (LineFate.KEPT, None)
    assert fates["src/left.py"] == (LineFate.DROPPED, "the file is in no linked commit")


def test_an_unrelated_commit_to_the_same_file_is_not_linked(world: World) -> None:
    before = world.read("src/module_1.py")
    session = world.session("s1").prompt().write("src/module_1.py", before + feature("alpha")).save()
    world.git("checkout", "-q", "--", ".")
    world.file("src/module_1.py", before + "\n\ndef unrelated():\n    return 'nothing of the agent'\n")
    world.commit("by hand")
    world.wait(days=30)
    world.file("README.md", "later\n")
    world.commit("later")
    outcome = world.outcome(session)
    assert outcome.commits == ()
    assert outcome.state is SessionState.ABANDONED
    assert outcome.dropped_lines == outcome.written_lines == 8


def test_work_thrown_away_by_a_command_is_rejected(world: World) -> None:
    recorder = world.session("s1").prompt().write("src/new.py", feature("alpha")).prompt("no, undo it")
    session = recorder.command("git checkout -- . && rm src/new.py").save()
    (world.folder / "src/new.py").unlink()
    world.wait(days=30)
    world.file("README.md", "later\n")
    world.commit("later")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.REJECTED
    assert [item.fate for item in world.store.find(Attempt, session_id=session)] == [AttemptFate.REJECTED]


def test_without_enough_later_history_nothing_is_said(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    outcome = world.outcome(session)
    assert outcome.state is SessionState.UNKNOWN
    assert "too soon" in outcome.reasons[0]
    assert world.outcomes().states == {"unknown": 1}


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_shallow_clone_links_nothing_with_the_commit_that_it_begins_at(
    world: World, tmp_path: Path, depth: int
) -> None:
    recorder = world.session("s1").prompt()
    for name in ("module_1", "module_2"):
        recorder.write(f"src/{name}.py", world.read(f"src/{name}.py") + feature(name))
    session = recorder.save()
    sha = world.commit("add two features")
    for number in (1, 2):
        world.wait(days=20)
        world.file("README.md", f"moved on {number}\n")
        world.commit(f"something else {number}")
    clone = tmp_path / "clone"
    world.git("clone", "-q", "--depth", str(depth), f"file://{world.folder}", str(clone))
    world.folder.rename(tmp_path / "elsewhere")
    compute(world.store, clone)
    (outcome,) = world.store.find(Outcome, session_id=session)
    assert outcome.state is SessionState.UNKNOWN
    assert "shallow" in outcome.reasons[0]
    (tmp_path / "elsewhere").rename(world.folder)
    assert [link.sha for link in world.outcome(session).commits] == [sha]


def test_several_sessions_in_one_commit_each_get_their_part(world: World) -> None:
    one = world.session("s1").prompt().write("src/one.py", feature("alpha")).save()
    two = world.session("s2").prompt().write("src/two.py", feature("beta")).save()
    world.file("src/three.py", feature("users_own"))
    sha = world.commit("everything")
    first, second = world.outcome(one), world.outcome(two)
    assert [link.sha for link in first.commits] == [link.sha for link in second.commits] == [sha]
    assert ("alpha" in first.gold_patch, "beta" in first.gold_patch) == (True, False)
    assert ("alpha" in second.gold_patch, "beta" in second.gold_patch) == (False, True)
    assert "users_own" not in first.gold_patch + second.gold_patch


def test_one_session_over_several_commits_has_one_gold_diff_from_before_the_first(world: World) -> None:
    base = world.git("rev-parse", "HEAD")
    recorder = world.session("s1").prompt().write("src/new.py", feature("alpha"))
    first = world.commit("alpha")
    recorder.prompt("now beta").write("src/new.py", feature("alpha") + feature("beta"))
    second = world.commit("beta")
    outcome = world.outcome(recorder.save())
    assert {link.sha for link in outcome.commits} == {first, second}
    assert outcome.base == base
    (file,) = patch.parse(outcome.gold_patch)
    assert patch.apply(file, None) == feature("alpha") + feature("beta")
    fates = [item.fate for item in world.store.find(Attempt, session_id=outcome.session_id)]
    assert fates == [AttemptFate.KEPT, AttemptFate.KEPT]


def test_an_attempt_that_a_later_one_replaces_is_superseded(world: World) -> None:
    recorder = world.session("s1").prompt().write("src/new.py", feature("alpha"))
    recorder.prompt("another way").write("src/new.py", feature("beta"))
    session = recorder.save()
    world.commit("beta")
    world.outcome(session)
    attempts = sorted(world.store.find(Attempt, session_id=session), key=lambda item: item.index)
    assert [(item.fate, item.ended_by) for item in attempts] == [
        (AttemptFate.SUPERSEDED, "prompt"),
        (AttemptFate.KEPT, "end"),
    ]
    assert [item.distance for item in attempts] == [1.0, 0.0]


def test_a_revert_and_a_restored_revert_leave_the_link_with_the_first_commit(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    sha = world.commit("alpha")
    world.wait(days=1)
    world.git("revert", "--no-edit", "HEAD")
    world.wait(days=1)
    world.git("revert", "--no-edit", "HEAD")
    assert [link.sha for link in world.outcome(session).commits] == [sha]


def test_a_copy_in_another_file_long_after_is_not_linked(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    sha = world.commit("alpha")
    world.wait(days=20)
    world.file("src/copy.py", feature("alpha") + "".join(feature(f"other_{index}") for index in range(9)))
    world.commit("copied")
    assert [link.sha for link in world.outcome(session).commits] == [sha]


def test_lines_that_the_file_already_held_prove_nothing(world: World) -> None:
    before = world.read("src/module_1.py")
    again = "\n\ndef other(self, name):\n        found = self.items_1.get(name)\n        if found is None:\n"
    session = world.session("s1").prompt().write("src/module_1.py", before + again).save()
    world.git("checkout", "-q", "--", ".")
    world.wait(hours=1)
    world.file("src/module_1.py", before + "\n\ndef third(self, name):\n        found = self.items_1.get(name)\n")
    world.commit("the same idiom, by hand")
    assert world.outcome(session).commits == ()


def test_removing_lines_is_work_too(world: World) -> None:
    before = world.read("src/module_3.py")
    kept = before[: before.index("    def lookup_3")]
    session = world.session("s1").prompt().write("src/module_3.py", kept).save()
    sha = world.commit("remove lookup")
    outcome = world.outcome(session)
    assert [link.sha for link in outcome.commits] == [sha]
    assert (outcome.state, outcome.written_lines) == (SessionState.ACCEPTED, 0)
    (file,) = patch.parse(outcome.gold_patch)
    assert patch.apply(file, before) == kept


def test_reformatted_lines_are_kept(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.file("src/new.py", feature("alpha").replace("    ", "\t").replace(", '", ",  '"))
    world.commit("alpha, formatted")
    outcome = world.outcome(session)
    assert (outcome.state, outcome.kept_lines) == (SessionState.ACCEPTED, 8)


def test_a_failed_edit_counts_for_nothing_and_a_sub_agents_counts(world: World) -> None:
    recorder = world.session("s1").prompt().replace("src/module_2.py", "not there", feature("never"), success=False)
    recorder.replace(
        "src/module_2.py", "        return found\n", "        return found\n" + feature("alpha"), agent="a1"
    )
    session = recorder.save()
    world.commit("alpha")
    outcome = world.outcome(session)
    assert (outcome.written_lines, outcome.kept_lines) == (8, 8)


def test_a_trailer_is_evidence_that_can_be_ignored(world: World) -> None:
    session = world.session("0123-session").prompt().command("sed -i s/a/b/ src/module_1.py").save()
    world.file("src/module_1.py", module(1).replace("inventory", "stock"))
    sha = world.commit("by a command\n\nAgent-Session: 0123-session")
    assert [link.sha for link in world.outcome(session).commits] == [sha]
    assert [item.kind for item in world.outcome(session).commits[0].evidence if item.weight > 5] == ["trailer"]
    ignored = world.outcome(session, "trailer", "notes")
    assert (ignored.state, ignored.commits) == (SessionState.UNKNOWN, ())


def test_a_git_ai_note_is_evidence_that_can_be_ignored(world: World) -> None:
    session = world.session("0123-session").prompt().command("sed -i s/a/b/ src/module_1.py").save()
    world.file("src/module_1.py", module(1).replace("inventory", "stock"))
    sha = world.commit("by a command")
    note = 'src/module_1.py\n  abc 5\n---\n{"prompts": {"abc": {"agent_id": {"tool": "claude", "id": "0123-session"}}}}'
    world.git("notes", "--ref", "ai", "add", "-m", note, sha)
    assert [link.sha for link in world.outcome(session).commits] == [sha]
    assert world.outcome(session, "notes").commits == ()


def test_a_forged_trailer_does_not_outweigh_contents_that_say_the_opposite(world: World) -> None:
    session = world.session("0123-session").prompt().write("src/new.py", feature("alpha")).save()
    (world.folder / "src/new.py").unlink()
    world.wait(days=3)
    world.file("src/other.py", feature("users_own"))
    world.commit("mine\n\nAgent-Session: 0123-session")
    assert world.outcome(session).commits == ()


def test_sessions_of_another_repository_are_left_alone(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.store)
    theirs = other.session("s2").prompt().write("src/other_only.py", feature("beta")).save()
    ours = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    summary = world.outcomes()
    assert [item.session_id for item in summary.outcomes] == [ours]
    assert list(summary.elsewhere) == [theirs]
    assert list(world.store.find(Outcome, session_id=theirs)) == []


def test_a_second_run_changes_nothing(world: World) -> None:
    session = (
        world.session("s1").prompt().write("src/new.py", feature("alpha")).prompt().write("b.py", "b1 = 1\n").save()
    )
    world.commit("alpha")
    first = world.outcomes()
    rows = [list(world.store.find(kind)) for kind in (Outcome, Attempt, Commit)]
    assert world.outcomes().outcomes == first.outcomes
    assert [list(world.store.find(kind)) for kind in (Outcome, Attempt, Commit)] == rows
    (outcome,) = world.store.find(Outcome, session_id=session)
    assert session in world.store.parents(outcome.id)
    assert {item.id for item in world.store.find(Commit)} <= set(world.store.parents(outcome.id))


def test_a_secret_in_the_repository_never_reaches_the_store(world: World) -> None:
    secret = "AKIA" + "Q3EGRZ7XN5TBWLPD"
    world.file("src/config.py", f"key = '{secret}'\nname = 'x'\n")
    world.commit("config")
    recorder = world.session("s1").prompt()
    recorder.replace("src/config.py", "name = 'x'\n", "name = 'x'\n" + feature("alpha"))
    session = recorder.save()
    world.commit("alpha")
    outcome = world.outcome(session)
    assert len(outcome.commits) == 1
    stored = [item.patch for item in world.store.find(Attempt)] + [outcome.gold_patch]
    assert not any(secret in text for text in stored)


def test_an_empty_repository_says_nothing_and_a_plain_folder_is_an_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not in a git repository"):
        compute(world.store, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    world.session("s1").prompt().save()
    world.folder, product = empty, world.folder
    world.git("init", "-q")
    world.folder = product
    assert compute(world.store, empty).outcomes == []


def test_unknown_kinds_of_evidence_are_named_with_the_known_ones() -> None:
    assert parse_kinds("trailer, notes") == {"trailer", "notes"}
    with pytest.raises(UsageError, match=r"unknown kind of evidence trailers; there are .*trailer"):
        parse_kinds("trailers")


def test_a_commit_that_only_names_the_session_and_holds_none_of_its_lines_decides_nothing(world: World) -> None:
    recorder = world.session("0123-session").prompt()
    session = recorder.write("keys.txt", "STRIPE_KEY=" + "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc\n").save()
    world.commit("a key that redaction hides\n\nAgent-Session: 0123-session")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.UNKNOWN
    assert (outcome.written_lines, outcome.kept_lines, outcome.revised_lines, outcome.dropped_lines) == (1, 0, 0, 0)


def test_the_whole_stage_runs_nothing_of_the_repository_that_it_reads(world: World, tmp_path: Path) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    world.commit("alpha")
    markers = tmp_path / "markers"
    markers.mkdir()
    bomb = tmp_path / "bomb"
    bomb.write_text(f'#!/bin/sh\ntouch {markers}/"$(basename "$0")$1"\ncat 2>/dev/null\n')
    bomb.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "diff.x.textconv", "filter.x.clean", "gpg.program"):
        world.git("config", name, f"{bomb} {name}")
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        shutil.copy(bomb, world.folder / ".git" / "hooks" / hook)
    (world.folder / ".git" / "info" / "attributes").write_text("* diff=x filter=x\n")
    world.file(".gitattributes", "* diff=x filter=x\n")
    world.file("src/new.py", "dirty\n")
    outcome = world.outcome(session)
    assert outcome.state is SessionState.ACCEPTED
    assert list(markers.iterdir()) == []


def test_files_without_lines_are_in_no_gold_diff_and_counted_by_kind(world: World) -> None:
    session = world.session("s1").prompt().write("src/new.py", feature("alpha")).save()
    (world.folder / "logo.png").write_bytes(b"\x89PNG\0")
    (world.folder / "old.txt").write_bytes("Größe\n".encode("latin-1"))
    (world.folder / "here").symlink_to("src")
    world.commit("alpha, with a picture")
    summary = world.outcomes()
    assert summary.no_text == {"binary": 1, "not UTF-8": 1, "link": 1}
    (outcome,) = world.store.find(Outcome, session_id=session)
    assert "not in the gold diff: logo.png: binary" in outcome.reasons
    assert "+++ b/src/new.py" in outcome.gold_patch
    assert "here" not in outcome.gold_patch

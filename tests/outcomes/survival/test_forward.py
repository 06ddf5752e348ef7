"""The pass names for every line the commit that `git blame` names, whatever the history looks like."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from golddiff.git import GitRepository
from golddiff.outcomes.survival import Followed, follow, lives
from outcomes.survival.told_history import ToldHistory, numbered, text


def followed(history: ToldHistory, tip: str) -> Followed:
    with GitRepository.open(history.folder) as git:
        return follow(git, tip)


def origins(found: Followed) -> dict[str, list[str]]:
    """Origin commit of every line at the tip, by path."""
    ledger = found.ledger
    return {
        path.decode(): [found.commits[ledger.block_commit[ledger.block_of(number)]].sha for number in file.numbers]
        for path, file in found.files.items()
    }


def agrees_with_blame(history: ToldHistory) -> Followed:
    tip = history.write()[-1]
    found = followed(history, tip)
    for path, commits in origins(found).items():
        assert commits == history.blame(tip, path), path
    return found


def random_history(history: ToldHistory, seed: int, commits: int) -> None:
    """Edits, renames, copies, deletions, blank and repeated lines, branches and merges of two and three parents."""
    rng = random.Random(seed)
    words = [f"word {number}" for number in range(12)] + ["", "}"]

    def lines(count: int) -> list[str]:
        return [rng.choice(words) if rng.random() < 0.5 else f"line {rng.random()}" for _ in range(count)]

    states: list[dict[str, list[str]]] = []
    tips: list[int] = []
    for number in range(1, commits + 1):
        parents = [rng.choice(tips[-6:])] if tips else []
        if len(tips) > 3 and rng.random() < 0.3:
            parents += rng.sample([tip for tip in tips[-6:] if tip not in parents], rng.choice([1, 1, 1, 2]))
        files = {path: list(body) for path, body in states[parents[0] - 1].items()} if parents else {}
        for other in parents[1:]:
            for path, body in states[other - 1].items():
                mine = files.get(path)
                if mine is None or rng.random() < 0.3:
                    files[path] = list(body)
                elif rng.random() < 0.5:  # both sides' lines
                    cut, start = rng.randrange(len(mine) + 1), rng.randrange(len(body) + 1)
                    files[path] = mine[:cut] + body[start:]
        for _ in range(rng.randrange(1, 4)):
            kind = rng.random()
            path = rng.choice(sorted(files)) if files else ""
            if kind < 0.15 or not files:
                files[f"file{rng.randrange(9)}"] = lines(rng.randrange(40))
            elif kind < 0.25:
                files[f"moved{rng.randrange(9)}"] = files.pop(path)
            elif kind < 0.3:
                whole = files.pop(path)
                files[f"a{number}"], files[f"b{number}"] = whole[: len(whole) * 2 // 3], whole[len(whole) // 3 :]
            elif kind < 0.35:
                del files[path]
            else:
                at, size = rng.randrange(len(files[path]) + 1), rng.randrange(4)
                files[path][at : at + size] = lines(rng.randrange(5))
        states.append(files)
        tips.append(history.commit({path: text(*body) for path, body in files.items()}, *parents))


@pytest.mark.parametrize("seed", range(4))
def test_every_line_has_the_commit_that_blame_names(tmp_path: Path, seed: int) -> None:
    history = ToldHistory(tmp_path / "repository")
    random_history(history, seed, 60)
    found = agrees_with_blame(history)
    assert len(found.files) > 2


def test_a_file_cut_in_two_has_its_origins_in_both_parts(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    whole = numbered("a", 30)
    first = history.commit({"whole": text(*whole)})
    history.commit({"left": text(*whole[:22]), "right": text(*whole[8:])}, first)
    found = agrees_with_blame(history)
    (birth,) = {sha for commits in origins(found).values() for sha in commits}
    assert birth == found.commits[0].sha


def test_a_merge_finds_a_file_that_one_parent_calls_otherwise(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    base = numbered("a", 20)
    first = history.commit({"old": text(*base)})
    renamed = history.commit({"new": text("top", *base)}, first)
    edited = history.commit({"old": text(*base, "bottom")}, first)
    history.commit({"new": text("top", *base, "bottom", "by the merge")}, renamed, edited)
    agrees_with_blame(history)


def test_lines_between_lost_ones_of_a_merge_keep_their_place(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    body = numbered("a", 12)
    first = history.commit({"f": text(*body)})
    left = history.commit({"f": text("left", *body)}, first)
    right = history.commit({"f": text(*body[:2], *body[5:6], "+++", *body[7:], "right")}, first)
    history.commit({"f": text("left", *body[:2], *body[5:6], "+++", *body[7:], "right")}, left, right)
    agrees_with_blame(history)


def test_lines_live_from_the_mainline_commit_that_brought_them_to_the_one_that_ends_them(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    base = numbered("a", 4)
    first = history.commit({"f": text(*base)})
    topic = history.commit({"f": text(*base, "draft")}, first)
    better = history.commit({"f": text(*base, "kept", "", "zwölf")}, topic)
    other = history.commit({"f": text(*base), "g": b"g\n"}, first)
    merged = history.commit({"f": text(*base, "kept", "", "zwölf"), "g": b"g\n"}, other, better)
    history.commit({"f": text(*base[:2], "kept", "", "zwölf"), "g": b"g\n"}, merged)
    shas = history.write()
    rows = {(life.path, life.first_line): life for life in lives(followed(history, shas[-1]))}
    assert set(rows) == {("f", 1), ("f", 3), ("f", 5), ("g", 1)}  # the draft never reached the mainline
    ended, kept = rows["f", 3], rows["f", 5]
    assert (ended.lines, ended.born, ended.ended_by, ended.commits) == (2, shas[0], shas[5], 2)
    assert (kept.lines, kept.characters, kept.born, kept.reached) == (3, 9, shas[2], shas[4])
    assert (kept.ended_by, kept.ended_at, kept.commits) == (None, None, 1)
    assert (kept.reached_at - kept.born_at).days == 2


def test_a_renamed_file_lives_on(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    first = history.commit({"f": text(*numbered("a", 9))})
    history.commit({"deep/g": text(*numbered("a", 8))}, first)
    (alive, ended) = lives(followed(history, history.write()[-1]))
    assert (alive.lines, alive.ended_by, ended.lines, ended.ended_at is None) == (8, None, 1, False)


def test_links_and_binary_files_have_no_lines(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    first = history.commit({"f": b"a\nb\n", "image": b"\0\1\n\2"})
    second = history.commit({"f": b"\0a\nb\n", "image": b"\0\1\n\3"}, first)
    history.commit({"f": b"a\nb", "image": b"now text\n"}, second)
    shas = history.write()
    found = followed(history, shas[-1])
    assert origins(found) == {"f": [shas[2]] * 2, "image": [shas[2]]}
    assert [life.ended_by for life in lives(found) if life.born == shas[0]] == [shas[1]]


def test_two_roots_and_odd_names_are_followed(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "repository")
    first = history.commit({"d i r/ü": text("one", "two")})
    other = history.commit({"second": text("three")})
    history.commit({"d i r/ü": text("one", "2"), "second": text("three")}, first, other)
    tip = history.write()[-1]
    found = followed(history, tip)
    assert sorted(life.path for life in lives(found)) == ["d i r/ü", "d i r/ü", "d i r/ü", "second"]


def test_files_whose_content_is_not_here_are_left_out_and_named(tmp_path: Path) -> None:
    history = ToldHistory(tmp_path / "whole")
    big = numbered("big", 200)
    first = history.commit({"f": text("a"), "big file": text(*big)})
    second = history.commit({"f": text("a", "b"), "big file": text(*big[1:])}, first)
    other = history.commit({"f": text("0", "a"), "big file": text(*big)}, first)
    history.commit({"f": text("0", "a", "b"), "big file": text(*big[2:])}, second, other)
    tip = history.write()[-1]
    whole, partial = history.folder, tmp_path / "partial"
    subprocess.run(["git", "-C", str(whole), "config", "uploadpack.allowFilter", "true"], check=True)
    subprocess.run(
        ["git", "clone", "-q", "--bare", "--filter=blob:limit=500", f"file://{whole}", str(partial)], check=True
    )
    with GitRepository.open(partial) as git:
        found = follow(git, tip)
    assert found.left_out == {b"big file"}
    assert list(origins(found)) == ["f"]
    assert origins(found)["f"] == history.blame(tip, "f")

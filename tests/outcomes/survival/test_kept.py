"""A pass that goes on from a kept one says what a whole pass says; what cannot be gone on from is followed anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from golddiff.git import GitRepository
from golddiff.outcomes.survival import Life, follow, forward, kept, lives
from golddiff.outcomes.survival.kept import follow_on
from golddiff.outcomes.survival.reshaped import carry_reshaped
from outcomes.survival.test_forward import random_history
from outcomes.survival.told_history import ToldHistory, numbered, text


@pytest.fixture
def history(tmp_path: Path) -> ToldHistory:
    return ToldHistory(tmp_path / "repository")


@pytest.fixture
def wholly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tips that were followed from the first commit on."""
    seen: list[str] = []

    def noted(git: GitRepository, tip: str, **options: object) -> forward.Followed:
        seen.append(tip)
        return follow(git, tip, carry=carry_reshaped)

    monkeypatch.setattr(kept, "follow", noted)
    return seen


def on(history: ToldHistory, tip: str) -> list[Life]:
    with GitRepository.open(history.folder) as git:
        file = history.folder / "kept"
        found = list(lives(follow_on(git, tip, file, carry=carry_reshaped, mode="reshaped")))
        anew = list(lives(follow(git, tip, carry=carry_reshaped)))
    order: Callable[[Life], object] = lambda life: (life.born, life.path, life.first_line)  # noqa: E731
    assert sorted(found, key=order) == sorted(anew, key=order)
    return found


def test_every_step_along_a_random_mainline_equals_a_whole_pass(history: ToldHistory, wholly: list[str]) -> None:
    random_history(history, 5, 40)
    tips = history._run("rev-list", "--first-parent", "--reverse", history.write()[-1]).decode().split()
    for tip in tips[-9:]:
        on(history, tip)
    assert tips[-9] in wholly


def test_a_new_commit_and_a_merged_branch_are_followed_alone(history: ToldHistory, wholly: list[str]) -> None:
    body = numbered("a", 6)
    first = history.commit({"f": text(*body), "ü": b"u\n"})
    second = history.commit({"f": text(*body, "more"), "ü": b"u\n"}, first)
    side = history.commit({"f": text("side", *body), "ü": b"u\n"}, first)
    merge = history.commit({"f": text("side", *body, "more"), "ü": b"u\n"}, second, side)
    history.commit({"g": text("side", *body[2:], "more"), "ü": b"u\nv\n"}, merge)
    shas = history.write()
    for tip in (shas[0], shas[1], shas[3], shas[4], shas[4]):
        on(history, tip)
    assert wholly == [shas[0]]


def test_a_rewritten_history_is_followed_anew(history: ToldHistory, wholly: list[str]) -> None:
    first = history.commit({"f": b"a\n"})
    history.commit({"f": b"a\nb\n"}, first)
    amended = history.commit({"f": b"a\nc\n"}, first)
    shas = history.write()
    on(history, shas[1])
    on(history, shas[amended - 1])
    assert wholly == [shas[1], shas[2]]


@pytest.mark.parametrize("damage", [b"", b"nonsense", None], ids=["empty", "other bytes", "cut short"])
def test_a_kept_file_that_cannot_be_read_is_made_anew(
    history: ToldHistory, wholly: list[str], damage: bytes | None
) -> None:
    history.commit({"f": b"a\n"})
    (tip,) = history.write()
    on(history, tip)
    file = history.folder / "kept"
    file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
    on(history, tip)
    on(history, tip)
    assert wholly == [tip, tip]


@pytest.mark.parametrize("limit", [1 << 26, 0], ids=["appended", "written anew"])
def test_a_branch_is_followed_alone_from_where_it_began_unless_that_is_damaged(
    history: ToldHistory, wholly: list[str], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(kept, "_MOST_UNDO_BYTES", limit)
    body = numbered("a", 6)
    tips = [history.commit({"f": text(*body)})]
    for number in range(4):
        tips.append(history.commit({"f": text(*body), f"g{number}": b"g\n"}, tips[-1]))
    side = [history.commit({"f": text(*body, name)}, tips[1]) for name in ("one", "two")]
    merges = [history.commit({"f": text(*body, "one"), "g3": b"g\n"}, tips[-1], side[0])]
    merges.append(history.commit({"f": text(*body, "one", "two"), "g3": b"g\n"}, merges[0], side[1]))
    shas = history.write()
    for tip in (*tips, merges[0]):
        on(history, shas[tip - 1])
    assert wholly == [shas[0]]
    undo = history.folder / "kept.undo"
    undo.write_bytes(undo.read_bytes()[:-1])
    on(history, shas[merges[1] - 1])
    assert wholly == [shas[0], shas[-1]]


def test_no_path_that_redaction_has_not_seen_is_kept(history: ToldHistory) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6a1B2c3D4e5F6a1B2c3D4e5F6"
    first = history.commit({f"{secret}.txt": b"a\n", "plain": b"b\n"})
    history.commit({f"{secret}.txt": b"a\nc\n", "plain": b"b\n"}, first)
    shas = history.write()
    with GitRepository.open(history.folder) as git:
        for sha in shas:
            found = follow_on(git, sha, history.folder / "kept", carry=carry_reshaped, mode="reshaped")
    for name in ("kept", "kept.undo"):
        assert secret.encode() not in (history.folder / name).read_bytes()
    assert len(found.ledger.length) == 3


def test_a_new_commit_costs_less_than_a_tenth_of_a_second(history: ToldHistory) -> None:
    random_history(history, 1, 60)
    shas = history._run("rev-list", "--first-parent", history.write()[-1]).decode().split()
    with GitRepository.open(history.folder) as git:
        follow_on(git, shas[1], history.folder / "kept", carry=carry_reshaped, mode="reshaped")
        before = os.times()
        follow_on(git, shas[0], history.folder / "kept", carry=carry_reshaped, mode="reshaped")
        after = os.times()
    assert sum(after[:4]) - sum(before[:4]) < 0.1


def test_what_is_cheaper_to_follow_again_than_to_write_is_not_written(
    history: ToldHistory, wholly: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    random_history(history, 7, 40)
    tips = history._run("rev-list", "--first-parent", "--reverse", history.write()[-1]).decode().split()[-6:]
    on(history, tips[0])
    first = (history.folder / "kept").stat().st_mtime_ns
    monkeypatch.setattr(kept, "_WRITE_SEC_PER_BYTE", 1e9)
    for tip in tips[1:]:
        on(history, tip)
    assert (history.folder / "kept").stat().st_mtime_ns == first
    monkeypatch.setattr(kept, "_WRITE_SEC_PER_BYTE", 0.0)
    on(history, tips[-1])
    assert (history.folder / "kept").stat().st_mtime_ns > first
    assert wholly == tips[:1]

"""What only moves or re-formats lines does not end their life; what changes their words does."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.outcomes.lives import judge, random_history

from golddiff.git import GitRepository
from golddiff.outcomes.survival import Life, follow, lives
from golddiff.outcomes.survival.forward import write_new
from golddiff.outcomes.survival.reshaped import carry_reshaped
from outcomes.survival.told_history import ToldHistory, numbered, text

BODY = numbered("a", 8)


@pytest.fixture
def history(tmp_path: Path) -> ToldHistory:
    return ToldHistory(tmp_path / "repository")


def lived(history: ToldHistory) -> list[Life]:
    tip = history.write()[-1]
    with GitRepository.open(history.folder) as git:
        return list(lives(follow(git, tip, carry=carry_reshaped)))


def alive(history: ToldHistory) -> tuple[int, int]:
    """Lines that live and lines that ended."""
    found = lived(history)
    return sum(life.lines for life in found if not life.ended_by), sum(life.lines for life in found if life.ended_by)


@pytest.mark.parametrize(
    "after",
    [
        {"f": text(*("    " + line for line in BODY))},
        {"f": text(*BODY).replace(b"\n", b"\r\n")},
        {"f": text(*BODY[4:], *BODY[:4])},
        {"f": text(*BODY[:2]), "g": text(*BODY[2:])},
        {"deep/g": text(*("\t" + line for line in BODY))},
        {"f": text(*(part for line in BODY for part in (line[:9], "  " + line[9:])))},
        {"f": text(*(BODY[at] + " " + BODY[at + 1] for at in range(0, 8, 2)))},
    ],
    ids=["indented", "line ends", "moved", "cut in two", "renamed and indented", "broken", "joined"],
)
def test_a_change_of_shape_ends_no_line_and_begins_none(history: ToldHistory, after: dict[str, bytes]) -> None:
    first = history.commit({"f": text(*BODY)})
    history.commit(after, first)
    assert alive(history) == (8, 0)


def test_a_formatter_that_breaks_a_call_ends_nothing(history: ToldHistory) -> None:
    call = "result = compute_the_thing(first_argument, 'second', [third, fourth])"
    broken = ["result = compute_the_thing(", "    first_argument,", '    "second",', "    [third, fourth],", ")"]
    first = history.commit({"f": text("x = 1", call, "y = 2")})
    second = history.commit({"f": text("x = 1", *broken, "y = 2")}, first)
    third = history.commit({"f": text("x = 1", *broken[:1], *broken[2:], "y = 2")}, second)
    history.commit({"f": text("x = 1", "y = 2")}, third)
    found = lived(history)
    shas = history.write()
    assert {(life.first_line, life.lines, life.born, life.ended_by) for life in found} == {
        (1, 1, shas[0], None),
        (2, 1, shas[0], shas[3]),  # with the last of its parts
        (3, 1, shas[0], None),
    }


def test_joined_lines_end_together(history: ToldHistory) -> None:
    first = history.commit({"f": text(*BODY)})
    second = history.commit({"f": text(" ".join(BODY[:2]), *BODY[2:])}, first)
    history.commit({"f": text(*BODY[2:])}, second)
    assert alive(history) == (6, 2)


def test_changed_words_are_a_new_line(history: ToldHistory) -> None:
    first = history.commit({"f": text(*BODY)})
    history.commit({"f": text("    other words altogether, here", *BODY[1:])}, first)
    assert alive(history) == (8, 1)


def test_short_lines_that_appear_elsewhere_are_not_moved(history: ToldHistory) -> None:
    first = history.commit({"f": text("return None", *BODY), "g": text(*numbered("g", 3))})
    history.commit({"f": text(*BODY), "g": text(*numbered("g", 3), "return None")}, first)
    assert alive(history) == (12, 1)


def test_a_branch_that_joins_lines_ends_none_of_them_at_the_merge(history: ToldHistory) -> None:
    first = history.commit({"f": text(*BODY), "g": b"g\n"})
    joined = history.commit({"f": text(" ".join(BODY[:2]), *BODY[2:]), "g": b"g\n"}, first)
    other = history.commit({"f": text(*BODY), "g": b"other\n"}, first)
    history.commit({"f": text(" ".join(BODY[:2]), *BODY[2:]), "g": b"other\n"}, other, joined)
    assert alive(history) == (9, 1)


@pytest.mark.parametrize("seed", range(3))
def test_lives_are_those_of_generated_histories_whose_truth_is_known(tmp_path: Path, seed: int) -> None:
    history = random_history(seed, tmp_path / "history", scenarios=4)
    reshaped, exact = judge(history, carry_reshaped), judge(history, write_new)
    assert reshaped.wrong == []
    assert reshaped.every.right >= 0.99 * reshaped.every.lives > 100
    assert exact.every.right <= reshaped.every.right

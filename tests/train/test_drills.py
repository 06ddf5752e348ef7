"""Small mechanical edits made of the rows' own words."""

from collections import Counter
from datetime import UTC, datetime

from golddiff.train.drills import drills
from golddiff.types import Clean, Example, Provenance


def row(before: str, after: str) -> Example:
    return Example(
        id="example_1",
        kind="accepted",
        instruction=Clean("do it"),
        path="a.py",
        start_line=1,
        before=Clean(before),
        after=Clean(after),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        provenance=Provenance(written_by="human"),
    )


ROWS = [row(f'name{n} = find("{n}") + other\n', f"name{n} = seek('{n}') - other\n") for n in range(60)]


def test_a_group_is_of_one_kind_and_each_of_its_rows_is_changed_code_of_a_row() -> None:
    groups = drills(ROWS, 3, seed=5)
    texts = {text for one in ROWS for text in (one.before, one.after)}
    assert len(groups) > 30
    for group in groups:
        assert len(group) == 3
        assert len({one.instruction.split()[0] for one in group}) == 1
        assert all(one.before in texts and one.before != one.after for one in group)
    kinds = Counter(group[0].instruction.split()[0] for group in groups)
    assert set(kinds) == {"Rename", "Remove", "Write", "Use", "No"}


def test_the_seed_decides() -> None:
    assert drills(ROWS, 3, seed=5) == drills(ROWS, 3, seed=5) != drills(ROWS, 3, seed=6)


def test_what_an_instruction_says_is_what_happens() -> None:
    for group in drills(ROWS, 1, seed=1):
        (one,) = group
        said = one.instruction.rstrip(".").split()
        if said[0] == "Rename":
            assert said[1] in one.before
            assert said[1] not in one.after
            assert said[3] in one.after
        elif said[0] == "Remove":
            assert said[1] not in one.after
        elif said[0] == "Write":
            assert said[1].upper() in one.after
        elif said[0] == "Use":
            assert ("'" in one.after) == (said[1] == "single")
        else:
            assert "=" in one.after
            assert " " not in one.after


def test_rows_without_words_have_no_drills() -> None:
    assert drills([row("1\n", "2\n")], 3, seed=0) == []
    assert drills([], 3, seed=0) == []


def test_a_kind_that_finds_nothing_to_edit_gives_way_to_another() -> None:
    plain = [row(f"name{n}=other\n", f"name{n}=third\n") for n in range(300)]
    for seed in range(8):
        groups = drills(plain, 3, seed)
        assert len(groups) > 9  # without it, none after the first such kind
        assert "Use" not in {group[0].instruction.split()[0] for group in groups}

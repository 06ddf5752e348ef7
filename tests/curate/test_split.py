"""The test side is later, or in other files; every row is on one side only, whatever the rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curate.made_rows import row
from golddiff.curate import CurateConfig, Row, Tally
from golddiff.curate.split import order, split_rows
from golddiff.types import Repository

REPOSITORIES = [Repository(id="rep_1", name="one"), Repository(id="rep_2", name="two")]

ROWS = st.lists(
    st.tuples(
        st.integers(0, 6), st.sampled_from(["a.py", "b.py", "c.py", "d.py"]), st.sampled_from(["rep_1", "rep_2"])
    ),
    max_size=30,
).map(
    lambda items: sorted(
        (
            row(number, hours=hour, path=path, repository=repository)
            for number, (hour, path, repository) in enumerate(items)
        ),
        key=order,
    )
)
FRACTIONS = st.floats(0, 0.9)


def ids(rows: list[Row]) -> set[str]:
    return {item.example.id for item in rows}


@given(ROWS, FRACTIONS)
def test_by_time_everything_tested_is_later_than_everything_trained_on(rows: list[Row], fraction: float) -> None:
    split = split_rows(rows, CurateConfig(name="x", test_fraction=fraction), REPOSITORIES, Tally())
    assert ids(split.train) | ids(split.test) == ids(rows)
    assert not ids(split.train) & ids(split.test)
    if split.train and split.test:
        assert max(item.example.at for item in split.train) < min(item.example.at for item in split.test)
    assert all(item.example.split == "train" for item in split.train)
    assert all(item.example.split == "test" for item in split.test)
    if rows:
        assert split.train


@given(ROWS, FRACTIONS, st.integers(0, 5))
def test_by_path_no_file_is_on_both_sides(rows: list[Row], fraction: float, seed: int) -> None:
    config = CurateConfig(name="x", split="path", test_fraction=fraction, seed=seed)
    split = split_rows(rows, config, REPOSITORIES, Tally())
    places = [
        {(item.example.provenance.repository_id, item.example.path) for item in side}
        for side in (split.train, split.test)
    ]
    assert not places[0] & places[1]
    assert ids(split.train) | ids(split.test) == ids(rows)


@given(ROWS, FRACTIONS, st.sampled_from(["time", "path"]))
def test_a_repository_kept_out_of_training_is_never_trained_on(rows: list[Row], fraction: float, strategy: str) -> None:
    config = CurateConfig(name="x", split=strategy, test_fraction=fraction, test_repositories=("two",))
    tally = Tally()
    split = split_rows(rows, config, REPOSITORIES, tally)
    assert all(item.example.provenance.repository_id == "rep_1" for item in split.train)
    assert len(split.train) + len(split.test) + sum(tally.dropped.values()) == len(rows)
    if strategy == "time" and split.train and split.test:
        assert max(item.example.at for item in split.train) < min(item.example.at for item in split.test)


@given(ROWS)
def test_a_bigger_test_share_never_makes_the_path_test_side_smaller(rows: list[Row]) -> None:
    sides = [
        ids(split_rows(rows, CurateConfig(name="x", split="path", test_fraction=share), [], Tally()).test)
        for share in (0.2, 0.5)
    ]
    assert sides[0] <= sides[1]


def test_the_share_asked_for_is_about_what_one_gets() -> None:
    rows = [row(number) for number in range(100)]
    assert len(split_rows(rows, CurateConfig(name="x"), [], Tally()).test) == 20
    by_path = split_rows(rows, CurateConfig(name="x", split="path"), [], Tally())
    assert 8 <= len(by_path.test) <= 35

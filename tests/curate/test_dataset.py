"""The build is deterministic, counts everything it leaves out, and writes nothing without a right."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from curate.made_rows import row
from golddiff.curate import CurateConfig, Row, Tally, build
from golddiff.curate import dataset as dataset_module
from golddiff.errors import InputError, RightsError, UsageError
from golddiff.rights import redact_text
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.types import Check, Dataset, Example, Verdict

CONFIG = CurateConfig(name="ours")


def changed(config: CurateConfig, **changes: object) -> CurateConfig:
    return replace(config, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def test_the_same_rows_in_any_order_give_the_same_dataset(store: Store) -> None:
    rows = [row(number) for number in range(30)]
    first = build(store, CONFIG, rows).datasets["accepted"]
    random.Random(1).shuffle(rows)
    again = build(store, CONFIG, rows).datasets["accepted"]
    assert first.id == again.id
    assert first.content_hash == again.content_hash
    assert len(list(store.find(Dataset))) == 1


def test_another_split_or_another_row_is_another_dataset(store: Store) -> None:
    rows = [row(number) for number in range(30)]
    datasets = [
        build(store, CONFIG, rows),
        build(store, changed(CONFIG, test_fraction=0.5), rows),
        build(store, CONFIG, rows[:-1]),
    ]
    assert len({built.datasets["accepted"].content_hash for built in datasets}) == 3


def test_every_candidate_is_either_in_the_dataset_or_counted(store: Store) -> None:
    rows = [row(number) for number in range(20)]
    rows += [row(100, before="same\n", after="same\n"), row(101, before=" \n"), row(102, before="x" * 9000)]
    rows += [row(3), row(103, licence="GPL-3.0-only"), row(104, after="token = [REDACTED:jwt]\n")]
    dataset = build(store, CONFIG, rows).datasets["accepted"]
    assert sum(dataset.rows.values()) + sum(dataset.dropped.values()) + sum(dataset.denied.values()) == len(rows)
    assert dataset.denied == {"licence: denied (GPL-3.0-only)": 1}
    assert dataset.dropped["exact duplicate"] == 1
    assert dataset.dropped["row: holds a redacted secret"] == 1


def test_every_row_that_is_written_holds_its_verdict(store: Store) -> None:
    build(store, CONFIG, [row(number) for number in range(10)])
    for split in ("train", "test"):
        for example in read_dataset(store, "ours", split):
            assert example.verdict is not None
            assert example.verdict.permitted
            assert example.split == split


def test_checks_and_families_that_the_caller_set_are_kept(store: Store) -> None:
    check = Check(program=redact_text("print(1)"), expected=redact_text("1"))
    rows = [row(number) for number in range(10)]
    annotated = [Row(msgspec.structs.replace(item.example, check=check, family="f-strings")) for item in rows]
    build(store, CONFIG, annotated)
    for example in read_dataset(store, "ours", "train"):
        assert example.check == check
        assert example.family == "f-strings"


def test_a_row_without_a_verdict_stops_the_build_and_nothing_is_left_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "_permitted", lambda rows, grants, tally: list(rows))
    with pytest.raises(RightsError, match="no verdict"):
        build(store, CONFIG, [row(1), row(2)])
    assert list(store.find(Dataset)) == []
    assert list(store.find(Example)) == []
    assert list(store.folder("datasets").iterdir()) == []


def test_a_row_whose_verdict_forbids_it_stops_the_build(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Verdict(use="train", permitted=False, reasons=("terms: forbidden (x)",), policy="p")
    forbidden = Row(msgspec.structs.replace(row(1).example, verdict=verdict))
    monkeypatch.setattr(dataset_module, "_permitted", lambda rows, grants, tally: [forbidden])
    with pytest.raises(RightsError, match="terms: forbidden"):
        build(store, CONFIG, [row(1)])


def test_nothing_left_says_what_became_of_the_candidates(store: Store) -> None:
    with pytest.raises(InputError, match="nothing changes"):
        build(store, CONFIG, [row(1, before="same\n", after="same\n")])
    with pytest.raises(RightsError, match="GPL"):
        build(store, CONFIG, [row(1, licence="GPL-3.0-only")])
    with pytest.raises(InputError, match="golddiff outcomes"):
        build(store, CONFIG, [])


def test_the_latest_rows_are_the_ones_that_are_kept(store: Store) -> None:
    tally = Tally()
    config = changed(CONFIG, max_rows=4, test_fraction=0.0)
    build(store, config, [row(number) for number in range(10)], tally)
    kept = [example.instruction for example in read_dataset(store, "ours", "train")]
    assert kept == [f"Change thing {number}" for number in range(6, 10)]
    assert tally.dropped["older than the latest rows asked for"] == 6


def test_the_card_counts_rows_sources_and_reasons(store: Store) -> None:
    rows = [row(number) for number in range(10)] + [row(50, licence=None)]
    dataset = build(store, CONFIG, rows).datasets["accepted"]
    card = (store.root / dataset.folder / "README.md").read_text()
    assert "| train | 8 |" in card
    assert "| human |  | 10 |" in card
    assert "no licence was recognised" in card
    assert dataset.content_hash in card


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "random"},
        {"targets": ("best",)},
        {"targets": ()},
        {"test_fraction": 1.0},
        {"near_duplicates": 0.0},
        {"max_rows": 0},
    ],
)
def test_settings_out_of_range_say_what_is_allowed(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        changed(CONFIG, **changes)

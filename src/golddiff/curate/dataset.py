"""Rows → dataset: filter, ask for the right, remove duplicates, split, decontaminate, write.

Deterministic: the same rows and settings give the same dataset id, whatever order the store yields them in. Every
row that is left out is counted under a reason; rows that may not be trained on are counted apart. `build` takes its
rows from `rows_from_sessions` and `rows_from_history`, or from whoever calls it (a recipe may annotate them with
checks and families first).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from golddiff.curate import card
from golddiff.curate.arms import training_side
from golddiff.curate.config import CurateConfig
from golddiff.curate.dedup import decontaminated, without_duplicates
from golddiff.curate.kinds.history import rows_from_history
from golddiff.curate.kinds.sessions import rows_from_sessions
from golddiff.curate.row import Row, Tally
from golddiff.curate.split import Split, order, split_rows
from golddiff.errors import InputError, RightsError
from golddiff.git import GitRepository
from golddiff.rights import Grants, permits, policy
from golddiff.store import Store
from golddiff.store.datasets import write_dataset
from golddiff.store.repositories import remember_repository
from golddiff.types import Dataset, Example, Grant, Repository, derive_id

Progress = Callable[[str, int], None]
"""(stage in words, number done)"""


@dataclass(frozen=True)
class Built:
    """What one build wrote."""

    datasets: dict[str, Dataset]
    """By arm."""
    rule: str
    """How it was split, in words."""


def build(
    store: Store,
    config: CurateConfig,
    rows: Iterable[Row],
    tally: Tally | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build the datasets of all arms of `config` from candidate rows.

    Raises:
        InputError: no row is left to train on; the message says what became of the candidates.
        RightsError: no row is left and some were denied, or a row without a verdict would have been written.
    """
    tally = tally or Tally()
    report = progress or (lambda stage, done: None)
    repositories = list(store.find(Repository))
    with store.transaction():
        candidates = list(_fitting(rows, config, tally))
        report("rows", len(candidates))
        permitted = _permitted(candidates, Grants(store.find(Grant)), tally)
        report("permitted", len(permitted))
        unique = without_duplicates(sorted(permitted, key=order), config.near_duplicates, tally)
        report("unique", len(unique))
        if config.max_rows is not None and len(unique) > config.max_rows:
            tally.drop("older than the latest rows asked for", len(unique) - config.max_rows)
            unique = unique[-config.max_rows :]
        split = split_rows(unique, config, repositories, tally)
        split = Split(split.train, decontaminated(split.test, split.train, config.near_duplicates, tally), split.rule)
        if not split.train:
            error = RightsError if tally.denied else InputError
            raise error(_nothing_left(tally))
        datasets = {target: _write(store, config, target, split, tally, repositories) for target in config.targets}
    return Built(datasets, split.rule)


def from_sessions(store: Store, config: CurateConfig, progress: Progress | None = None) -> Built:
    """Build from every accepted session of the store."""
    tally = Tally()
    return build(store, config, rows_from_sessions(store, config, tally), tally, progress)


def from_history(store: Store, path: Path, config: CurateConfig, progress: Progress | None = None) -> Built:
    """Build from the history of the repository that `path` lies in."""
    tally = Tally()
    with GitRepository.open(path) as git:
        repository = remember_repository(store, git)  # stays where all is denied, so that a licence can be stated
        with store.transaction():
            counted = (lambda done: progress("commits", done)) if progress else None
            rows = rows_from_history(store, repository, git, config, tally, counted)
            return build(store, config, rows, tally, progress)


def _fitting(rows: Iterable[Row], config: CurateConfig, tally: Tally) -> Iterable[Row]:
    for row in rows:
        example = row.example
        if not example.instruction.strip():
            tally.drop("row: empty instruction")
        elif example.before == example.after:
            tally.drop("row: nothing changes")
        elif not example.before.strip():
            tally.drop("row: empty window before")
        elif max(len(example.before), len(example.after)) > config.max_window_chars:
            tally.drop("row: window too large")
        elif config.needs_attempt and row.attempt is None:
            tally.drop("row: first attempt not known")
        elif any("[REDACTED:" in text for text in (example.before, example.after, row.attempt or "")):
            tally.drop("row: holds a redacted secret")
        else:
            yield row


def _permitted(rows: Sequence[Row], grants: Grants, tally: Tally) -> list[Row]:
    kept = []
    for row in rows:
        verdict = permits(row.example, use="train", grants=grants)
        if verdict.permitted:
            kept.append(Row(msgspec.structs.replace(row.example, verdict=verdict), row.attempt, row.parents))
        else:
            tally.denied[_in_short(verdict.reasons[0])] += 1
    return kept


def _in_short(reason: str) -> str:
    """`gate: decision (what it is about)`, without the explanation, so that counts add up."""
    about, _, detail = reason.partition(" (")
    return f"{about} ({detail.removesuffix(')').partition(': ')[0]})"


def _write(
    store: Store, config: CurateConfig, target: str, split: Split, tally: Tally, repositories: list[Repository]
) -> Dataset:
    rows = {
        "train": training_side(target, split.train, config.seed),
        "test": [row.example for row in split.test],
    }
    name = config.name if target == "accepted" else f"{config.name}-{target}"
    content = derive_id(
        "sum", *(part for examples in rows.values() for example in examples for part in _content(example))
    )
    dataset_id = derive_id("dst", name, content)
    dataset = Dataset(
        id=dataset_id,
        name=name,
        rows={side: len(examples) for side, examples in rows.items()},
        dropped=dict(tally.dropped.most_common()),
        denied=dict(tally.denied.most_common()),
        folder=f"datasets/{dataset_id}",
        content_hash=content.removeprefix("sum_"),
        config={**config.record(), "target": target, "split_rule": split.rule},
        created_at=datetime.now(UTC),
    )
    text = card.render(dataset, rows, repositories, target=target, rule=split.rule, policy=policy.version())
    write_dataset(store, dataset, rows, text)
    for side, cut in (("train", split.train), ("test", split.test)):
        for example, row in zip(rows[side], cut, strict=True):
            store.put(example, parents=row.parents)
    known = [row for row in split.test if row.attempt is not None]
    for attempt, row in zip(training_side("attempt", known, config.seed), known, strict=True):
        store.put(attempt, parents=row.parents)  # not part of the dataset: the recorded teacher of an evaluation
    store.put(dataset, parents=(example.id for examples in rows.values() for example in examples))
    return dataset


def _content(example: Example) -> tuple[str, ...]:
    checked = example.check.program + example.check.expected if example.check else ""
    return (example.id, example.split or "", example.instruction, example.before, example.after, checked)


def _nothing_left(tally: Tally) -> str:
    lines = [f"  {count:>6}  denied: {reason}" for reason, count in tally.denied.most_common(5)]
    lines += [f"  {count:>6}  {reason}" for reason, count in tally.dropped.most_common(10)]
    listing = (
        "\n".join(lines) or "  there was no candidate: run `golddiff outcomes` first, or give --source git --repo PATH"
    )
    return f"no row is left to train on. What became of the candidates:\n{listing}"

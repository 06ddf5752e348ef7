"""Train and test: no row of the test side may be older than training, or share its file, or its repository.

`time` cuts at one moment for all rows: what is accepted at or after it is test, so rows of one commit stay together
and nothing of the future is trained on. `path` puts whole files on one side, chosen by a hash of repository and path:
for corpora without a meaningful time. After either, rows of the repositories that are kept out of training go to the
test side, unless they lie before the time cut: these are dropped, since nobody would have had them to test on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from golddiff.curate.config import CurateConfig
from golddiff.curate.row import Row, Tally
from golddiff.types import Repository


@dataclass(frozen=True)
class Split:
    """Rows by side, each in order of time."""

    train: list[Row]
    test: list[Row]
    rule: str
    """How it was cut, in words, for the card."""


def split_rows(rows: Sequence[Row], config: CurateConfig, repositories: Iterable[Repository], tally: Tally) -> Split:
    """Split rows that are in order of time."""
    wanted = set(config.test_repositories)
    apart = {repository.id for repository in repositories if wanted & {repository.id, repository.name}}
    shared = [row for row in rows if row.example.provenance.repository_id not in apart]
    held_out = [row for row in rows if row.example.provenance.repository_id in apart]
    if config.split == "path":
        test = [row for row in shared if _share(row, config.seed) < config.test_fraction]
        train = [row for row in shared if _share(row, config.seed) >= config.test_fraction]
        rule = f"whole files by hash, {config.test_fraction:.0%} of them for testing, seed {config.seed}"
    else:
        cut = _cut(shared, config.test_fraction)
        train = shared[:cut]
        test = shared[cut:]
        rule = f"accepted before {test[0].example.at:%Y-%m-%d %H:%M:%S} UTC" if test else "all rows train"
        if train and held_out:
            last = train[-1].example.at
            late = [row for row in held_out if row.example.at > last]
            tally.drop("held-out repository before the cut", len(held_out) - len(late))
            held_out = late
    test = sorted([*test, *held_out], key=order)
    if held_out:
        rule += f"; repositories kept out of training: {', '.join(sorted(wanted))}"
    return Split([_on(row, "train") for row in train], [_on(row, "test") for row in test], rule)


def order(row: Row) -> tuple[float, str]:
    """Sort key: time of acceptance, then id, so that the order never depends on the store's."""
    return row.example.at.timestamp(), row.example.id


def _cut(rows: Sequence[Row], test_fraction: float) -> int:
    """Index of the first test row: the first of its moment, with at most the asked share from there on."""
    cut = len(rows) - int(len(rows) * test_fraction)
    if cut >= len(rows):
        return len(rows)
    earlier = cut
    while earlier and rows[earlier - 1].example.at == rows[cut].example.at:
        earlier -= 1
    if earlier:
        return earlier
    while cut < len(rows) and rows[cut].example.at == rows[0].example.at:  # all of the head is one moment: train on it
        cut += 1
    return cut


def _share(row: Row, seed: int) -> float:
    """Place of a row's file between 0 and 1."""
    text = f"{seed}\0{row.example.provenance.repository_id}\0{row.example.path}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) / 2**64


def _on(row: Row, split: str) -> Row:
    return Row(msgspec.structs.replace(row.example, split=split), row.attempt, row.parents)

"""What did training make the model forget? The likelihood of code that nobody asked to change, before and after.

How it fits: `run.evaluate` measures tasks; this measures bare documents, chosen by the caller from files that were
never trained on, on the same models. Off-workflow *tasks* are ordinary tasks of an evaluation of their own.

Figures are nats per token over all documents, with a cluster bootstrap over their files; the difference to the first
arm is paired. Higher after training means forgetting.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from golddiff.errors import UsageError
from golddiff.evaluate.arms import Arm
from golddiff.evaluate.asking.answers import Failure, Likelihood
from golddiff.evaluate.asking.likelihood import untouched
from golddiff.evaluate.asking.requests import Way
from golddiff.evaluate.run import EvaluationConfig, Progress, asking_name, open_book
from golddiff.providers.on_demand import OnDemand
from golddiff.statistics.intervals import Interval, percentile_interval, resample, resampled_ratios
from golddiff.statistics.paired import paired_difference
from golddiff.store import Store

__all__ = ["Document", "Forgetting", "measure_forgetting"]

RESAMPLES = 4_000


class Document(msgspec.Struct, frozen=True):
    """Code that no task touches."""

    cluster: str
    """File that it is from."""
    text: str


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """Nats per token of untouched code."""

    documents: int
    """Documents that every arm has a likelihood for."""
    unscored: int
    tokens: int
    """Tokens of those documents, as the first arm counts them."""
    arms: dict[str, Interval]
    """Nats per token by arm."""
    differences: dict[str, Interval]
    """Nats per token less those of the first arm, paired, by arm."""


def measure_forgetting(
    store: Store,
    arms: Sequence[Arm],
    documents: Sequence[Document],
    *,
    config: EvaluationConfig | None = None,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> Forgetting:
    """Return the likelihood of `documents` under the arms' models; the first arm is what the others are compared with.

    Arms with shots or recorded answers are left out: they add no model. Raises UsageError where nothing is left.
    """
    config = config or EvaluationConfig()
    harness = asking_name(config)
    texts = [document.text for document in documents]
    columns: dict[str, list[Likelihood | Failure]] = {}
    for arm in arms:
        if arm.upstream is None or arm.shots:
            continue
        progress(f"{arm.name}: untouched code", 0, len(texts))
        with open_book(store, arm, arm.upstream, harness) as book:
            columns[arm.name] = untouched(book, texts, Way(batch=config.batch))
        if isinstance(arm.upstream, OnDemand):
            arm.upstream.close()
        progress(f"{arm.name}: untouched code", len(texts), len(texts))
    kept = [
        index for index in range(len(texts)) if all(isinstance(found[index], Likelihood) for found in columns.values())
    ]
    if not columns or not kept:
        raise UsageError("no document of untouched code has a likelihood: chat APIs give none, a local model does")
    counts_RN = resample([(documents[index].cluster,) for index in kept], resamples=RESAMPLES, seed=seed)
    width = len({documents[index].cluster for index in kept})
    numbers = {name: [found[index] for index in kept] for name, found in columns.items()}
    sums = {
        name: (
            [one.nll for one in found if isinstance(one, Likelihood)],
            [float(one.tokens) for one in found if isinstance(one, Likelihood)],
        )
        for name, found in numbers.items()
    }
    first = next(iter(sums))
    return Forgetting(
        documents=len(kept),
        unscored=len(texts) - len(kept),
        tokens=int(sum(sums[first][1])),
        arms={
            name: percentile_interval(
                float(np.sum(nll) / np.sum(tokens)), resampled_ratios(nll, tokens, counts_RN), clusters=width
            )
            for name, (nll, tokens) in sums.items()
        },
        differences={
            name: paired_difference(column, sums[first], counts_RN, clusters=width)
            for name, column in sums.items()
            if name != first
        },
    )

"""The dataset card: what is in it, where it comes from, what was left out and why, what it must not be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from golddiff.types import Dataset, Example, Repository


def render(
    dataset: Dataset,
    splits: Mapping[str, Sequence[Example]],
    repositories: Iterable[Repository],
    *,
    target: str,
    rule: str,
    policy: str,
) -> str:
    """Return the card as Markdown."""
    rows = [example for examples in splits.values() for example in examples]
    parts = [
        f"# {dataset.name}",
        f"Dataset `{dataset.id}`, built by golddiff. {_ANSWERS[target]}",
        "## Rows",
        _table(("split", "rows", "accepted from", "to", "median characters before"), _split_lines(splits)),
        f"Split: {rule}. Content hash `{dataset.content_hash}` covers every row and its split.",
        "## Sources",
        _table(("repository", "licence", "read from", "rows"), _source_lines(rows, repositories)),
        _table(("written by", "model", "rows"), _author_lines(rows)),
        "## Left out",
        _table(("dropped because", "count"), dataset.dropped.items()) if dataset.dropped else "Nothing was dropped.",
        "Sessions, commits, files and rows are counted where they were dropped, so the counts do not add up to rows.",
        "## Denied",
        _table(("no right to train, because", "rows"), dataset.denied.items())
        if dataset.denied
        else "No row was denied.",
        f"Decided under {policy}; every row holds its verdict with the reasons.",
        "## Limits",
        "Secrets were redacted by pattern; personal data other than names of home folders was not looked for. "
        "Accepted is not the same as correct, and what was never accepted is missing here. Keep the notices of the "
        "licences above when you pass this dataset on.",
    ]
    return "\n\n".join(parts) + "\n"


_ANSWERS = {
    "accepted": "Each row: an instruction, a file window before, and the window as it was finally accepted.",
    "attempt": "Each training row answers with what the agent first said, not with what was accepted (an arm of a "
    "comparison). Test rows hold what was accepted.",
    "shuffled": "Training answers were shuffled among the rows: a control that must not teach anything about the task.",
}


def _split_lines(splits: Mapping[str, Sequence[Example]]) -> list[tuple[object, ...]]:
    lines: list[tuple[object, ...]] = []
    for split, examples in splits.items():
        if examples:
            times = sorted(example.at for example in examples)
            size = round(median(len(example.before) for example in examples))
            lines.append((split, len(examples), f"{times[0]:%Y-%m-%d}", f"{times[-1]:%Y-%m-%d}", size))
        else:
            lines.append((split, 0, "", "", ""))
    return lines


def _source_lines(rows: Sequence[Example], repositories: Iterable[Repository]) -> list[tuple[object, ...]]:
    known = {repository.id: repository for repository in repositories}
    lines: list[tuple[object, ...]] = []
    for repository_id, count in sorted(Counter(row.provenance.repository_id for row in rows).items(), key=str):
        repository = known.get(repository_id or "")
        if repository is None:
            licences = {row.provenance.licence for row in rows if row.provenance.repository_id == repository_id}
            lines.append((repository_id or "unnamed", ", ".join(sorted(map(str, licences))), "", count))
        else:
            name = repository.name if repository.url is None else f"{repository.name} ({repository.url})"
            lines.append((name, repository.licence or "none recognised", repository.licence_source or "", count))
    return lines


def _author_lines(rows: Sequence[Example]) -> list[tuple[object, ...]]:
    authors = Counter((row.provenance.written_by, row.provenance.model or "") for row in rows)
    return [(*author, count) for author, count in sorted(authors.items())]


def _table(head: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    rows = [head, tuple("---" for _ in head), *lines]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows
    )

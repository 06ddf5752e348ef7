"""How well are sessions linked to commits by content alone? One command:

    python -m bench.link --shared SHARED/data --repo entire-cli=PATH --repo agentv=PATH [--vary] [--write FILE]

Trailers and notes are hidden from the linker; the truth is each `index.jsonl` (a tool's hook wrote the trailer that it
comes from). The unit is the pair (session at its provider, commit). Links that the truth does not know are judged by
what the repository itself says (its checkpoint branch, equal patches, squashes of linked commits) and, where that
does not decide, by hand in `link_judged.json`. Misses are listed with the reason. Nothing of the data is written.

Calibration is measured over links and over every pair that the linker gives at least `_STATED`: a pair below the
threshold that no label knows counts as wrong. The share of a commit's lines that we give to a session is compared with
what Entire counted when the commit was made (`initial_attribution`); pairs that differ are judged by hand as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golddiff.git import GitRepository
from golddiff.outcomes import analyse as analysing
from golddiff.outcomes import evidence
from golddiff.outcomes import link as linking
from golddiff.outcomes.analyse import Analysed, Analysis, analyse
from golddiff.outcomes.history import History, read_history
from golddiff.outcomes.lines import key, significant
from golddiff.outcomes.replay import replay
from golddiff.record.ingest import import_paths
from golddiff.statistics.intervals import Interval, cluster_bootstrap, percentile_interval, resample, wilson
from golddiff.store import Store
from golddiff.types import Session

EXPLAINED = 0.1
"""A pair counts for recall if the session wrote at least this share of the commit's added lines."""
_STATED = 0.02
"""Least confidence of a pair in the reliability diagram: below it there are thousands, nearly all wrong."""
_BINS = ((0.02, 0.15), (0.15, 0.5), (0.5, 0.85), (0.85, 0.95), (0.95, 1.0))
"""Bins of stated confidence: doubt (`judge.NO_TRACE`) and link (`LINKED`) are edges."""
_AGREES = 0.1
"""Difference of two shares of a commit's lines up to which they agree."""
_BEGIN, _END = "<!-- bench/link begin -->", "<!-- bench/link end -->"
_VARIED: dict[str, tuple[float, float]] = {
    "LINKED": (0.5, 0.95),
    "_DEPENDENCE": (0.25, 1.0),
    "_SHARE_SLOPE": (0.0, 4.0),
    "_TIME_SLOPE": (0.0, 1.0),
    "_SAME_RESULT": (0.0, 9.0),
    "_SAME_START": (0.0, 3.0),
    "REMOVED": (0.0, 1.0),
    "OTHER_PATH": (0.0, 1.0),
    "_COPY_CAP": (0.0, 12.0),
    "ALTERNATIVES": (1, 10_000),
}
"""Constants of the linker, each with a much lower and a much higher value, for `--vary`."""
HIDDEN = frozenset({"trailer", "notes"})
"""Kinds of evidence that the truth was made from."""
_JUDGED = Path(__file__).with_name("link_judged.json")
_COUNTS_JUDGED = Path(__file__).with_name("attribution_judged.json")


@dataclass
class Pair:
    """One (session, commit) that the truth or the linker names."""

    data: str
    session: str
    commit: str
    subject: str
    default: bool
    true: bool
    linked: bool
    confidence: float
    explained: float | None
    """Share of the commit's added lines that the session wrote; None where no importer reads the transcript."""
    verdict: str = ""
    """For links that the truth does not know: why they are right or wrong. For misses: the reason."""
    right: bool = False
    shared: bool = False
    """Whether contents speak for the link: lines added or removed, or files as the session left them."""


@dataclass
class Counted:
    """A commit's lines as Entire counted them and as we do."""

    data: str
    session: str
    commit: str
    theirs: float
    """`agent_lines` / `total_committed`."""
    ours: float
    """Share of the commit's significant added lines that the session wrote."""
    total: int
    """`total_committed`."""


@dataclass
class Truth:
    """What the index of one data set says."""

    commits: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    on_default: dict[str, bool] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict)
    counts: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(session, commit) → Entire's `agent_lines` and `total_committed`."""


def read_truth(folder: Path) -> Truth:
    """Read `index.jsonl` and `accepted_commits.jsonl`."""
    truth = Truth()
    for line in (folder / "accepted_commits.jsonl").read_text().splitlines():
        row = json.loads(line)
        truth.on_default[row["commit"]] = row["on_default_branch"]
    for line in (folder / "index.jsonl").read_text().splitlines():
        row = json.loads(line)
        name = provider_id(row["session_id"])
        truth.commits[name].update(row["accepted_commits"])
        truth.formats[name] = row["transcript_format"]
        told = (row.get("metadata") or {}).get("initial_attribution")
        if told and told.get("total_committed") and len(row["accepted_commits"]) == 1:
            truth.counts[name, row["accepted_commits"][0]] = (told["agent_lines"], told["total_committed"])
    return truth


def provider_id(name: str) -> str:
    """The id at the provider: older checkpoints put the date in front."""
    return name[11:] if name[4:5] == "-" == name[7:8] and name[10:11] == "-" else name


@dataclass
class Data:
    """One data set, imported, with its repository."""

    name: str
    shared: Path
    store: Store
    git: GitRepository

    history: History | None = None
    """Read by the first analysis: no evidence and no constant of the linker changes it."""

    def analyse(self, ignore: frozenset[str]) -> Analysis:
        """Replay and link every session."""

        def read_once(*arguments: Any) -> History:
            self.history = self.history or read_history(*arguments)
            return self.history

        analysing.read_history = read_once  # type: ignore[assignment, attr-defined]
        try:
            return analyse(self.git, list(self.store.sessions()), self.store.events, ignore)
        finally:
            analysing.read_history = read_history  # type: ignore[attr-defined]


@contextmanager
def opened(name: str, shared: Path, repo: Path) -> Iterator[Data]:
    """Import one data set into a store of its own."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store, GitRepository.open(repo) as git:
        import_paths(store, [shared / name / "sessions"])
        yield Data(name, shared, store, git)


def measure(data: Data, ignore: frozenset[str]) -> tuple[list[Pair], dict[str, Any], list[Counted]]:
    """Link one data set and compare it with its truth."""
    truth = read_truth(data.shared / data.name)
    judged = {(row["session"][-12:], row["commit"][:8]): row for row in json.loads(_JUDGED.read_text())}
    transcripts = [(session, data.store.events(session.id)) for session in data.store.sessions()]
    began, cpu = time.perf_counter(), time.process_time() + _children()
    analysis = data.analyse(ignore)
    took, cpu = time.perf_counter() - began, time.process_time() + _children() - cpu
    by_provider: dict[str, list[Analysed]] = defaultdict(list)
    for found in analysis.sessions:
        by_provider[found.session.provider_session_id or ""].append(found)
    left_alone: dict[str, str] = {}
    for session_id, why in analysis.elsewhere.items():
        left_alone[data.store.get(Session, session_id).provider_session_id or ""] = why
    wrote = {session.provider_session_id or "": set[str]() for session, _ in transcripts}
    for session, events in transcripts:
        for write in replay(events, lambda path: path, None).writes:
            wrote[session.provider_session_id or ""].update(filter(significant, map(key, write.added)))
    pairs = _pairs(data.name, truth, data.git, analysis, by_provider, left_alone, judged, wrote)
    facts = {
        "commits": len(analysis.history.graph),
        "sessions": len({session.provider_session_id for session, _ in transcripts}),
        "in truth": len(truth.commits),
        "placed": len(by_provider),
        "linked": sum(any(c.linked for a in rows for c in a.candidates) for rows in by_provider.values()),
        "seconds": round(took, 1),
        "cpu_seconds": round(cpu, 1),
    }
    return pairs, facts, _counted(data, truth, wrote)


def _counted(data: Data, truth: Truth, wrote: dict[str, set[str]]) -> list[Counted]:
    rows = []
    for (session, sha), (agent, total) in sorted(truth.counts.items()):
        added = _added(data.git, sha)
        if added and session in wrote:
            ours = sum(line in wrote[session] for line in added) / len(added)
            rows.append(Counted(data.name, session, sha, agent / total, ours, total))
    return rows


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _pairs(
    name: str,
    truth: Truth,
    git: GitRepository,
    analysis: Analysis,
    by_provider: dict[str, list[Analysed]],
    left_alone: dict[str, str],
    judged: dict[tuple[str, str], dict[str, Any]],
    written: dict[str, set[str]],
) -> list[Pair]:
    history = analysis.history
    named = sessions_by_checkpoint(git)
    pairs = []
    for session in sorted({*truth.commits, *by_provider}):
        rows = by_provider.get(session, [])
        best: dict[str, float] = {}
        for found in rows:
            for candidate in found.candidates:
                best[candidate.sha] = max(best.get(candidate.sha, 0.0), candidate.confidence)
        wrote = written.get(session)
        links = {sha for sha, confidence in best.items() if confidence >= linking.LINKED}
        stated = {sha for sha, confidence in best.items() if confidence >= _STATED}
        spoken = {item.sha for found in rows for item in found.candidates if _contents_say_so(item)}
        for sha in sorted(truth.commits.get(session, set()) | stated):
            added = _added(git, sha)
            explained = None if wrote is None else sum(line in wrote for line in added) / max(1, len(added))
            pair = Pair(
                data=name,
                session=session,
                commit=sha,
                subject=next((facts.subject for facts in git.commits([sha])), "")[:60],
                default=truth.on_default.get(sha, sha in history.default_commits),
                true=sha in truth.commits.get(session, ()),
                linked=sha in links,
                confidence=best.get(sha, 0.0),
                explained=explained,
                shared=sha in spoken,
            )
            if sha in stated:
                pair.right, pair.verdict = _judge(pair, git, analysis, truth, named, judged)
            if pair.true and not pair.linked:
                pair.verdict = _why_missed(pair, truth, rows, left_alone)
            pairs.append(pair)
    return pairs


def _contents_say_so(candidate: linking.Candidate) -> bool:
    return any(reason.kind in ("content", "files") and reason.weight > 0 for reason in candidate.reasons)


def _added(git: GitRepository, sha: str) -> list[str]:
    return [
        line
        for _, files in git.changes([sha])
        for file in files
        for hunk in file.hunks
        for line in map(key, hunk.added)
        if significant(line)
    ]


def sessions_by_checkpoint(git: GitRepository) -> dict[str, set[str]]:
    """Session ids by checkpoint, from the repository's own checkpoint branch: for judging only."""
    found: dict[str, set[str]] = defaultdict(set)
    for ref, tip in git.refs().items():
        if not ref.endswith("entire/checkpoints/v1"):
            continue
        for path, blob in git.tree(tip).items():
            parts = path.split("/")
            if parts[-1] == "metadata.json" and len(parts) >= 3:
                record = json.loads(git.blob(blob) or b"{}")
                for value in (record.get("session_id"), *(record.get("session_ids") or ())):
                    if isinstance(value, str):
                        found[parts[0] + parts[1]].add(provider_id(value))
    return found


def _judge(
    pair: Pair,
    git: GitRepository,
    analysis: Analysis,
    truth: Truth,
    named: dict[str, set[str]],
    judged: dict[tuple[str, str], dict[str, Any]],
) -> tuple[bool, str]:
    if pair.true:
        return True, "labelled"
    facts = analysis.history.commits[pair.commit].facts
    checkpoints = [value for line in facts.message.splitlines() for value in line.split("Entire-Checkpoint: ")[1:]]
    if any(pair.session in named.get(checkpoint.strip(), ()) for checkpoint in checkpoints):
        return True, "its message names a checkpoint of this session on the checkpoint branch"
    mine = sorted(_added(git, pair.commit))
    for sha in truth.commits.get(pair.session, ()):
        if sorted(_added(git, sha)) == mine:
            return True, f"adds the same lines as the labelled {sha[:8]} (rebased, cherry-picked or squashed)"
    row = judged.get((pair.session[-12:], pair.commit[:8]))
    if row:
        return bool(row["right"]), "by hand: " + str(row["reason"])
    return False, "NOT JUDGED"


def _why_missed(pair: Pair, truth: Truth, rows: list[Analysed], left_alone: dict[str, str]) -> str:
    kind = truth.formats.get(pair.session, "")
    if not rows:
        if pair.session in left_alone:
            return "session left alone: " + left_alone[pair.session]
        return f"no importer reads {kind} yet"
    if not pair.explained:
        removed = pair.confidence > 0
        return "shares only removed lines" if removed else "shares no added line: the session did not write this commit"
    return f"{pair.explained:.0%} of its lines explained; probability {pair.confidence:.2f}"


# ------------------------------------------------------------------------------------------------------------ report


def table(pairs: list[Pair], *, default: bool) -> list[str]:
    """Rows of the results for pairs on the default branch, or for the others."""
    group = [pair for pair in pairs if pair.default == default]
    linked = [pair for pair in group if pair.linked]
    true = [pair for pair in group if pair.true]
    explained = [pair for pair in true if pair.explained is not None and pair.explained >= EXPLAINED]
    rows = []
    for label, hits, total in (
        ("precision (links judged right)", [p.right for p in linked], linked),
        ("precision, counting only labelled pairs as right", [p.true for p in linked], linked),
        (f"recall, sessions that explain ≥ {EXPLAINED:.0%} of the commit", [p.linked for p in explained], explained),
        ("recall, all labelled pairs", [p.linked for p in true], true),
    ):
        if not total:
            rows.append(f"| {label} | – | | |")
            continue
        share = wilson(sum(hits), len(total))
        boot = cluster_bootstrap([float(hit) for hit in hits], [1.0] * len(total), [pair.session for pair in total])
        rows.append(f"| {label} | {sum(hits)}/{len(total)} | {share} | [{100 * boot.low:.1f}, {100 * boot.high:.1f}] |")
    return rows


def reliability(pairs: list[Pair]) -> list[str]:
    """The reliability diagram as rows, and the expected calibration error over links and over all stated pairs."""
    rows = ["| stated | mean | right | pairs |", "|---|---|---|---|"]
    stated = [pair for pair in pairs if pair.confidence >= _STATED]
    for low, high in _BINS:
        group = [pair for pair in stated if low <= pair.confidence < high]
        if group:
            mean = sum(pair.confidence for pair in group) / len(group)
            right = sum(pair.right for pair in group)
            rows.append(f"| {low:.2f}–{high:.2f} | {mean:.3f} | {wilson(right, len(group))} | {len(group)} |")
    rows.append("")
    for title, group in (
        (f"all pairs stated at {_STATED:.0%} or more", stated),
        ("links", [p for p in stated if p.linked]),
    ):
        if group:
            error = calibration_error(group)
            rows.append(
                f"Expected calibration error over {title} ({len(group)}): {100 * error.estimate:.1f} points "
                f"[{100 * error.low:.1f}, {100 * error.high:.1f}] (bootstrap by session)."
            )
            rows.append("")
    return rows[:-1]


def calibration_error(pairs: list[Pair]) -> Interval:
    """Expected calibration error over `_BINS` (Naeini et al. 2015), with its bootstrap interval by session."""
    stated = np.array([pair.confidence for pair in pairs])
    right = np.array([float(pair.right) for pair in pairs])
    bins = np.array([[low <= value < high for value in stated] for low, high in _BINS], dtype=float)

    def error(weights_RN: NDArray[np.float64]) -> NDArray[np.float64]:
        gaps = np.abs(weights_RN @ (bins * (stated - right)).T)  # a bin's weight times its gap
        found: NDArray[np.float64] = gaps.sum(axis=1) / weights_RN.sum(axis=1)
        return found

    replicates = error(resample([(pair.data, pair.session) for pair in pairs]))
    estimate = float(error(np.ones((1, len(pairs))))[0])
    return percentile_interval(estimate, replicates, clusters=len({pair.session for pair in pairs}))


def named(pairs: list[Pair]) -> list[str]:
    """What names do where they are not hidden, and what contents say against them."""
    links = [pair for pair in pairs if pair.linked]
    bare = [pair for pair in pairs if pair.true and not pair.shared]
    most = max((pair.confidence for pair in bare), default=0.0)
    without = [pair for pair in links if not pair.shared]
    return [
        "",
        "**With trailers and notes visible**",
        "",
        f"{len(links)} links. For {len(bare)} of the pairs that a trailer names contents say nothing or the opposite; "
        f"{sum(pair.linked for pair in bare)} of those are linked (highest confidence {most:.2f}). "
        f"{len(without)} links in all rest on names alone.",
    ]


def compared(rows: list[Counted]) -> list[str]:
    """Agreement with Entire's counts, and every pair that disagrees, judged by reading transcript and commit."""
    out = ["", "**Agreement with Entire's `initial_attribution`**", ""]
    agree = [row for row in rows if abs(row.ours - row.theirs) <= _AGREES]
    if not rows:
        return [*out, "no pair"]
    judged = {(row["session"], row["commit"]): row for row in json.loads(_COUNTS_JUDGED.read_text())}
    none = {"nearer": "–", "reason": "NOT JUDGED"}
    others = [(row, judged.get((row.session[-12:], row.commit[:8]), none)) for row in rows if row not in agree]
    nearer = Counter(found["nearer"] for _, found in others)
    out.append(
        f"Share of the commit's lines that are the session's, within {_AGREES:.0%}: {len(agree)}/{len(rows)}: "
        f"{wilson(len(agree), len(rows))}. Each of the other pairs was judged by reading its transcript and its commit "
        f"(`bench/attribution_judged.json`). Nearer to what happened: "
        + ", ".join(f"{name} in {count}" for name, count in nearer.most_common())
        + "."
    )
    out += [
        "",
        "| data | session | commit | Entire | here | lines | nearer | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    out += [
        f"| {row.data} | {row.session[-12:]} | `{row.commit[:8]}` | {row.theirs:.0%} | {row.ours:.0%} | {row.total} | "
        f"{found['nearer']} | {found['reason']} |"
        for row, found in others
    ]
    return out


def vary(data: Data) -> list[str]:
    """How much do the results hang on each constant? Links that no one judged count as wrong."""
    rows = ["", f"**Every constant at a much lower and a much higher value** ({data.name}, default branch)", ""]
    rows += ["| constant | value | precision | recall (≥ 10 %) | other branches: precision |", "|---|---|---|---|---|"]
    for constant, values in {"": (0.0,), **_VARIED}.items():
        home = linking if constant == "LINKED" else evidence
        before = getattr(home, constant) if constant else None
        for value in values:
            if constant:
                setattr(home, constant, value)
            pairs = measure(data, HIDDEN)[0]
            if constant:
                setattr(home, constant, before)
            shares = []
            for default in (True, False):
                links = [pair for pair in pairs if pair.linked and pair.default == default]
                shares.append(f"{sum(pair.right for pair in links)}/{len(links)}")
            due = [p for p in pairs if p.default and p.true and p.explained is not None and p.explained >= EXPLAINED]
            recall = f"{sum(pair.linked for pair in due)}/{len(due)}"
            title = f"`{constant}` {before} →" if constant else "all as they are"
            rows.append(f"| {title} | {value if constant else ''} | {shares[0]} | {recall} | {shares[1]} |")
    return rows


def report(
    pairs: list[Pair], facts: dict[str, dict[str, Any]], without: dict[str, list[Pair]], varied: list[str]
) -> str:
    """The section of docs/benchmarks.md."""
    out = [
        _BEGIN,
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {platform.machine()} {platform.system()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}; trailers and notes hidden from the linker.",
        "",
        "| data | commits | sessions imported / in the truth | placed here | coverage: sessions that are linked "
        "| seconds (CPU) |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in facts.items():
        out.append(
            f"| {name} | {row['commits']:,} | {row['sessions']} / {row['in truth']} | {row['placed']} | "
            f"{row['linked']}: {wilson(row['linked'], row['sessions'])} | {row['seconds']} ({row['cpu_seconds']}) |"
        )
    for default, title in ((True, "Pairs on the default branch"), (False, "Pairs on other branches")):
        out += ["", f"**{title}**", "", "| | share | Wilson 95 % | cluster bootstrap by session |", "|---|---|---|---|"]
        out += table(pairs, default=default)
    out += ["", "**Stated confidence against judgement** (reliability diagram)", "", *reliability(pairs)]
    for kind, others in without.items():
        out += ["", f"**Default branch, also without `{kind}` evidence**", "", "| | share | Wilson 95 % | cluster |"]
        out += ["|---|---|---|---|", *table(others, default=True)]
    out += varied
    lists = (
        ("Wrong links", [p for p in pairs if p.linked and not p.right]),
        ("Links that the labels do not know, judged right", [p for p in pairs if p.linked and not p.true and p.right]),
        ("Misses", [p for p in pairs if p.true and not p.linked]),
    )
    for title, group in lists:
        out += ["", f"**{title}: {len(group)}**", ""]
        if group:
            out += [
                "| data | session | commit | branch | explained | prob. | reason |",
                "|---|---|---|---|---|---|---|",
            ]
        for pair in sorted(group, key=lambda p: (p.data, not p.default, p.session)):
            explained = "–" if pair.explained is None else f"{pair.explained:.0%}"
            out.append(
                f"| {pair.data} | {pair.session[-12:]} | `{pair.commit[:8]}` {pair.subject.replace('|', '/')} | "
                f"{'default' if pair.default else 'other'} | {explained} | {pair.confidence:.2f} | {pair.verdict} |"
            )
    return "\n".join([*out, _END, ""])


def main() -> None:
    """Parse, measure, print, and write the section where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--repo", action="append", required=True, metavar="NAME=PATH", help="data set and repository")
    parser.add_argument("--write", type=Path, help="replace the section in this file")
    parser.add_argument("--vary", action="store_true", help="also vary every constant, on the first data set")
    arguments = parser.parse_args()
    pairs: list[Pair] = []
    bare: list[Pair] = []
    visible: list[Pair] = []
    counts: list[Counted] = []
    facts = {}
    more: list[str] = []
    for index, item in enumerate(arguments.repo):
        name, _, path = item.partition("=")
        with opened(name, arguments.shared, Path(path)) as data:
            found, facts[name], counted = measure(data, HIDDEN)
            pairs += found
            counts += counted
            bare += measure(data, HIDDEN | {"command"})[0]
            visible += measure(data, frozenset())[0]
            if arguments.vary and not index:
                more = vary(data)
    varied = [*named(visible), *compared(counts), *more]
    text = report(pairs, facts, {"command": bare}, varied)
    print(text)
    if arguments.write:
        old = arguments.write.read_text()
        start, end = old.index(_BEGIN), old.index(_END) + len(_END) + 1
        arguments.write.write_text(old[:start] + text + old[end:])


if __name__ == "__main__":
    main()

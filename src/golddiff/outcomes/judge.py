"""From links and line fates to the three tables of ARCHITECTURE.md: session, attempt, hunk.

A session is judged only on what can be seen. Linked: accepted if nearly all its lines are there, else revised; rejected
if every commit that held it was reverted and not restored. Not linked, although its lines are rare enough to be found
and the history goes on long enough: rejected if something says so (the work was thrown away, refused or interrupted),
else abandoned. Everything else is unknown, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from golddiff.outcomes.fates import LineOutcome
from golddiff.outcomes.gold import Gold
from golddiff.outcomes.lines import key, keys, significant
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.replay import AttemptState, Replay, State
from golddiff.types import AttemptFate, HunkFate, LineFate, SessionState

ACCEPTED_SHARE = 0.95
"""Share of the session's lines kept as they are for `accepted`: one line in twenty may be a formatter's."""
SETTLED = timedelta(days=14)
"""History after a session that must exist before "nowhere" means not kept: longer than nearly every pull request of
the two measured repositories was open."""
TRACEABLE = 12.0
"""Nats of rarity that a session must have written to be missed: two lines that no one else ever wrote."""
NO_TRACE = 0.15
"""A best candidate above this is doubt, not absence; the mirror of the linking threshold."""
_REJECTED_CONFIDENCE = 0.8
_ABANDONED_CONFIDENCE = 0.7
"""Not measured: no labelled rejections exist in the shared data. Set below every link, so that a report that asks
for certain outcomes leaves them out."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A session's state with its reasons."""

    state: SessionState
    confidence: float
    reasons: tuple[str, ...]


def judge_session(
    replay: Replay,
    candidates: Sequence[Candidate],
    gold: Gold,
    lines: Sequence[LineOutcome],
    rarity: float,
    ended_at: datetime | None,
    last_commit_at: datetime | None,
    *,
    whole: bool = True,
) -> Judgement:
    """Decide a session's state. `rarity` is the summed rarity in nats of all that the session wrote or removed.

    `whole` is false where the history is cut off (a shallow clone) after the session began.
    """
    notes = _notes(replay)
    linked = [candidate for candidate in candidates if candidate.linked]
    if linked:
        counts = Counter(line.fate for line in lines)
        kept, total = counts[LineFate.KEPT], len(lines)
        confidence = max(candidate.confidence for candidate in linked)
        where = "" if any(c.on_default_branch for c in gold.commits) else ", only on a branch that is not the default"
        held = "1 commit" if len(gold.commits) == 1 else f"{len(gold.commits)} commits"
        said = f"{kept} of {total} lines kept in {held}{where}" if total else f"linked to {held}{where}"
        if undone := gold.undone:
            notes = [*(f"commit {sha[:10]} was reverted by {by[:10]}" for sha, by in undone.items()), *notes]
            if gold.taken_back:
                return Judgement(SessionState.REJECTED, confidence, tuple(notes))
        by_hand = sum(attempt.revised_lines for attempt in replay.attempts[:-1])  # after the last one, git tells
        if total == 0 or kept >= ACCEPTED_SHARE * total:
            if by_hand > (1 - ACCEPTED_SHARE) * (total + by_hand):
                why = f"{by_hand} line(s) changed by hand between turns, as snapshots show"
                return Judgement(SessionState.REVISED, confidence, (said, why, *notes))
            return Judgement(SessionState.ACCEPTED, confidence, (said, *notes))
        if kept + counts[LineFate.REVISED] == 0 and not gold.files:
            if all(reason.weight <= 0 for c in linked for reason in c.reasons if reason.kind == "content"):
                return _unknown("the commit that names it holds none of its lines", *notes)
            if replaced := [step.sha for step in gold.steps if step.kind == "fixed"]:
                why = f"it was committed as it was, and commit {replaced[-1][:10]} soon replaced all of its lines"
                return Judgement(SessionState.REVISED, confidence, (said, why, *notes))
            why = "the linked commit touches the same lines but holds none of the session's"
            return Judgement(SessionState.REJECTED, min(confidence, _REJECTED_CONFIDENCE), (why, *notes))
        more = f"{counts[LineFate.REVISED]} revised, {counts[LineFate.DROPPED]} dropped"
        return Judgement(SessionState.REVISED, confidence, (said, more, *notes))
    if not replay.writes:
        return _unknown("it changed no file that the transcript shows", *notes)
    best = max((candidate.confidence for candidate in candidates), default=0.0)
    if best >= NO_TRACE:
        sha = max(candidates, key=lambda candidate: candidate.confidence).sha
        return _unknown(f"commit {sha[:10]} may hold it (probability {best:.2f}): too uncertain to state", *notes)
    taken_back = all(_unchanged(replay.base.get(path), state) for path, state in replay.files.items())
    if taken_back:
        return Judgement(SessionState.REJECTED, _REJECTED_CONFIDENCE, ("it took its own changes back", *notes))
    if replay.attempts and _taken_back_by_hand(replay):
        why = "the user took it back by hand, as snapshots show"
        return Judgement(SessionState.REJECTED, _REJECTED_CONFIDENCE, (why, *notes))
    if not whole:
        return _unknown("the history is cut off after it began (a shallow clone: `git fetch --unshallow`)", *notes)
    if rarity < TRACEABLE:
        return _unknown("what it wrote is too common to be traced", *notes)
    if last_commit_at is None or ended_at is None or last_commit_at - ended_at < SETTLED:
        return _unknown("the history ends too soon after it", *notes)
    if replay.undone or replay.last_signal is not None:
        why = "a command threw the work away" if replay.undone else f"it ended with a {replay.last_signal} by the user"
        return Judgement(SessionState.REJECTED, _REJECTED_CONFIDENCE, (f"no commit holds it, and {why}", *notes))
    if replay.writing_commands:
        return _unknown("no commit holds it as written, and commands may have changed it afterwards", *notes)
    return Judgement(SessionState.ABANDONED, _ABANDONED_CONFIDENCE, ("no commit holds any of it", *notes))


def _unknown(*reasons: str) -> Judgement:
    return Judgement(SessionState.UNKNOWN, 0.0, reasons)


def _notes(replay: Replay) -> list[str]:
    counted = (
        (replay.writing_commands, "command(s) may have changed files unseen"),
        (replay.unplaced_edits, "edit(s) fit no known state"),
        (replay.user_changes, "time(s) the user changed a file in between"),
        (replay.rejections, "tool use(s) refused"),
        (replay.interruptions, "interruption(s)"),
    )
    return [f"{count} {what}" for count, what in counted if count]


def _unchanged(base: State | None, end: State) -> bool:
    return base is not None and base.known and end.known and base.text == end.text


def _taken_back_by_hand(replay: Replay) -> bool:
    """Whether the last look at every file that the session changed shows it as the session found it."""
    after = replay.attempts[-1].revision or {}
    changed = [path for path, state in replay.files.items() if not _unchanged(replay.base.get(path), state)]
    return bool(changed) and all(
        path in after and replay.base[path].known and after[path][1] == replay.base[path].text for path in changed
    )


def judge_attempts(
    attempts: Sequence[AttemptState], gold: Gold, state: SessionState, base: Mapping[str, State]
) -> list[tuple[AttemptFate, float | None]]:
    """Fate and distance to the gold diff of every attempt, in order; `base` is what the session found."""
    if state is SessionState.UNKNOWN:
        return [(AttemptFate.UNKNOWN, None)] * len(attempts)
    if state in (SessionState.REJECTED, SessionState.ABANDONED):
        return [
            (
                AttemptFate.REJECTED
                if index == len(attempts) - 1 or a.ended_by == "rejection"
                else AttemptFate.SUPERSEDED,
                1.0,
            )
            for index, a in enumerate(attempts)
        ]
    accepted = Counter(
        found
        for file in gold.files.values()
        for found in map(key, (file.gold or "").splitlines())
        if significant(found)
    )
    out: list[tuple[AttemptFate, float | None]] = []
    last_useful = -1
    distances = []
    for index, attempt in enumerate(attempts):
        distance = _distance(attempt, accepted)
        if distance is None:
            distance = _distance_of_removals(attempt, gold, base)
        distances.append(distance)
        if distance is None or distance < 1:
            last_useful = index
    for index, distance in enumerate(distances):
        if distance is None or distance <= 1 - ACCEPTED_SHARE:
            fate = AttemptFate.KEPT
        elif index < last_useful:
            by_hand = attempts[index].revised_lines > 0
            fate = AttemptFate.REVISED if by_hand else AttemptFate.SUPERSEDED
        elif distance < 1:
            fate = AttemptFate.REVISED
        else:
            fate = AttemptFate.REJECTED
        out.append((fate, distance))
    return out


def _distance(attempt: AttemptState, accepted: Counter[str]) -> float | None:
    """Share of the attempt's significant added lines that the accepted files do not hold; None if it added none.

    One minus Broder's containment (1997) over lines, each as often as it is there.
    """
    added = Counter(
        found
        for state in attempt.files.values()
        if state.lines is not None
        for line, origin in zip(state.lines, state.origins, strict=True)
        if origin >= 0 and significant(found := key(line))
    )
    total = sum(added.values())
    if not total:
        return None
    return round(1 - sum((added & accepted).values()) / total, 4)


def _distance_of_removals(attempt: AttemptState, gold: Gold, base: Mapping[str, State]) -> float | None:
    """Share of the lines that an attempt removed which the accepted files still hold; None if that is not known."""
    removed = still = 0
    for path, state in attempt.files.items():
        before = base.get(path)
        if before is None or not before.known or not state.known or path not in gold.accepted:
            continue
        gone = Counter(keys(before.lines or ())) - Counter(keys(state.lines or ()))
        removed += sum(gone.values())
        still += sum((gone & Counter(keys((gold.accepted[path] or "").splitlines()))).values())
    return round(still / removed, 4) if removed else None


def _joined(replay: Replay, path: str, first: int, second: int) -> bool:
    """Whether only lines of the session (blank ones) lie between two of its lines; loose lines are one hunk."""
    origins = replay.files[path].origins
    return second >= first and all(origin >= 0 for origin in origins[first : max(first, second - 1)])


def hunk_fates(lines: Sequence[LineOutcome], replay: Replay) -> list[HunkFate]:
    """Group neighbouring lines of a file into hunks and count their fates."""
    groups: list[list[LineOutcome]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if last is not None and last.path == line.path and _joined(replay, line.path, last.number, line.number):
            groups[-1].append(line)
        else:
            groups.append([line])
    out = []
    for group in groups:
        counts = Counter(line.fate for line in group)
        author = replay.authors.get(Counter(line.origin for line in group).most_common(1)[0][0])
        fate = next(iter(counts)) if len(counts) == 1 else LineFate.REVISED
        out.append(
            HunkFate(
                path=group[0].path,
                start_line=group[0].number,
                fate=fate,
                kept=counts[LineFate.KEPT],
                revised=counts[LineFate.REVISED],
                dropped=counts[LineFate.DROPPED],
                model=author.model if author else None,
                tool=author.tool if author else None,
                reason=group[0].reason,
            )
        )
    return out

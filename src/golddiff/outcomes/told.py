"""What users, products and forges said of a session, weighed against what git shows.

The last verdict of a session (accept, reject, revise) decides where git says nothing. Where git says something else,
the verdict still decides, since it is the user's own, but with less confidence, and both are named; a session that was
accepted and that git shows revised is revised. A pull request speaks for the sessions whose commits it holds: merged
is evidence that the work was accepted, closed without merging that it was rejected, unless the default branch holds
the work all the same. Where no commit was found, the branch that the session began on leads to its pull request.

What was kept is the patch that came with the verdict, else the session's last state.
"""

from __future__ import annotations

from collections.abc import Sequence

from golddiff import patch
from golddiff.outcomes.evidence import BranchMerged
from golddiff.outcomes.gold import FileGold, Gold, applies
from golddiff.outcomes.history import History
from golddiff.outcomes.judge import Judgement
from golddiff.outcomes.link import Candidate
from golddiff.outcomes.place import plain_url
from golddiff.outcomes.replay import Replay
from golddiff.store import Store
from golddiff.store.signals import PRODUCT, SignalBook, event_of
from golddiff.types import Clean, Event, Session, SessionState, Signal

CONFIDENCE = {"cli": 0.98, "http": 0.95}
"""By how it was said: a person who names the session on the command line; a product that reports a press of a button,
which people also press by mistake. Set by argument, not measured."""
CONTRADICTED = 0.6
"""Confidence in a verdict that git contradicts."""
MERGED = 0.9
"""Confidence that a session whose commits a merged pull request holds was accepted."""
CLOSED = 0.8
"""Confidence that work was rejected whose pull request was closed: some are opened again under another number."""
BY_BRANCH = 0.6
"""Confidence where only the branch leads from the session to the pull request."""
_STATES = {"accept": SessionState.ACCEPTED, "reject": SessionState.REJECTED, "revise": SessionState.REVISED}
_KEPT = (SessionState.ACCEPTED, SessionState.REVISED)


def last_verdict(signals: Sequence[Signal]) -> Signal | None:
    """The verdict that counts: the last one."""
    return next((signal for signal in reversed(signals) if signal.kind in _STATES), None)


def load_events(store: Store, book: SignalBook, session: Session[Clean]) -> tuple[Event[Clean], ...]:
    """A session's events with the edits, commands and verdicts that only signals tell of, in order of time.

    Those are numbered behind the session's own, whose numbers stay.
    """
    events = store.events(session.id)
    signals = [signal for signal in book.of(session.id) if signal.kind not in ("prompt", "call")]
    if session.source == PRODUCT or not signals:
        return events
    own = [event_of(signal, session.id, len(events) + index) for index, signal in enumerate(signals)]
    merged: list[Event[Clean]] = []
    for event in events:
        while own and event.at is not None and own[0].at is not None and own[0].at < event.at:
            merged.append(own.pop(0))
        merged.append(event)
    return (*merged, *own)


def weigh(judgement: Judgement, verdict: Signal | None, pull_request: Judgement | None) -> Judgement:
    """The judgement from git, corrected by what was said."""
    if pull_request is not None and verdict is None:
        if pull_request.confidence <= BY_BRANCH and judgement.state is not SessionState.UNKNOWN:
            return Judgement(judgement.state, judgement.confidence, (*judgement.reasons, *pull_request.reasons))
        if judgement.state in _KEPT and pull_request.state is SessionState.ACCEPTED:
            confidence = max(judgement.confidence, pull_request.confidence)
            return Judgement(judgement.state, confidence, (*judgement.reasons, *pull_request.reasons))
        return Judgement(pull_request.state, pull_request.confidence, (*pull_request.reasons, *judgement.reasons))
    if verdict is None:
        return judgement
    state, confidence = _STATES[verdict.kind], CONFIDENCE.get(verdict.via, CONTRADICTED)
    said = f"{verdict.by or 'the user'} said `{verdict.kind}` ({verdict.via})"
    if judgement.state is SessionState.UNKNOWN:
        return Judgement(state, confidence, (said, *judgement.reasons))
    if judgement.state in _KEPT and state in _KEPT:
        if SessionState.REVISED in (judgement.state, state):
            state = SessionState.REVISED
        return Judgement(state, max(confidence, judgement.confidence), (said, *judgement.reasons))
    if judgement.state is state or (state is SessionState.REJECTED and judgement.state is SessionState.ABANDONED):
        return Judgement(state, max(confidence, judgement.confidence), (said, *judgement.reasons))
    against = f"git says {judgement.state.value}"
    return Judgement(state, CONTRADICTED, (said, against, *judgement.reasons))


def judge_pull_requests(
    session: Session[Clean],
    signals: Sequence[Signal],
    remotes: Sequence[str],
    links: Sequence[Candidate],
    history: History,
) -> Judgement | None:
    """What pull requests say of a session; None where none speaks for it, or git already shows more."""
    latest = {signal.number: signal for signal in ours(signals, remotes)}  # one that was opened again is not closed
    accepted = any(link.on_default_branch for link in links)
    for signal in reversed(list(latest.values())):
        name = f"pull request {signal.number}"
        if signal.kind not in ("merged", "closed"):
            continue
        if _holds(signal, links, history):
            if signal.kind == "merged":
                return Judgement(SessionState.ACCEPTED, MERGED, (f"{name} with its commits was merged",))
            if not accepted:
                return Judgement(SessionState.REJECTED, CLOSED, (f"{name} with its commits was closed unmerged",))
        elif not links and _of_branch(signal, session):
            state = SessionState.ACCEPTED if signal.kind == "merged" else SessionState.REJECTED
            how = "merged" if signal.kind == "merged" else "closed unmerged"
            return Judgement(state, BY_BRANCH, (f"{name} from its branch was {how}",))
    return None


def _holds(signal: Signal, links: Sequence[Candidate], history: History) -> bool:
    """Whether the pull request holds one of these commits: named in it, or before its head on its own branch."""
    shas = {link.sha for link in links}
    if shas & set(signal.commits):
        return True
    beside = {link.sha for link in links if not link.on_default_branch or signal.kind == "merged"}
    heads = [sha for sha in signal.commits[:1] if sha in history.position]
    return any(history.ancestors(head, beside) for head in heads) if beside else False


def _of_branch(signal: Signal, session: Session[Clean]) -> bool:
    """Whether the session began on the pull request's branch, at a time that fits."""
    if signal.branch is None:
        return False
    return BranchMerged(signal.branch, signal.number, signal.opened_at or signal.at, signal.at).fits(session)


def ours(signals: Sequence[Signal], remotes: Sequence[str]) -> list[Signal]:
    """Signals of the repository's own pull requests, in order of time."""
    urls = {plain_url(url) for url in remotes}
    return sorted(
        (signal for signal in signals if signal.repository_url and plain_url(signal.repository_url) in urls),
        key=lambda signal: signal.at,
    )


def gold_of(verdict: Signal, replay: Replay, base: str | None) -> Gold:
    """What was kept according to a verdict: its patch on the session's files, else their last state."""
    gold = Gold(base=base)
    if verdict.patch is None:
        for path, state in replay.files.items():
            found = replay.base.get(path)
            if found is None or not found.known or not state.known:
                gold.left_out[path] = "its whole text is not known"
            elif found.text != state.text:
                _add(gold, path, found.text, state.text)
        return gold
    try:
        files = patch.parse(verdict.patch)
    except patch.PatchError:
        gold.left_out["the patch"] = "it cannot be read after redaction"
        return gold
    for file in files:
        path = file.new_path or file.old_path or ""
        base_state, last = replay.base.get(file.old_path or path), replay.files.get(path)
        before = base_state.text if base_state is not None and base_state.known else None
        texts = [before] if base_state is not None or file.old_path is None else []
        texts += [last.text] if last is not None and last.known else []
        for text in texts:
            try:
                kept = patch.apply(file, text)
            except patch.PatchError:
                continue
            _add(gold, path, before, kept)
            break
        else:
            gold.left_out[path] = "the patch fits no state of it that is known"
    return gold


def _add(gold: Gold, path: str, before: str | None, after: str | None) -> None:
    gold.accepted[path] = after
    diff = patch.render(path, before, after)
    if diff and applies(diff, {path: before}, {path: after}):
        gold.files[path] = FileGold(path, path, before, after, after, diff)

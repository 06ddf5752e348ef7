"""Outcomes of sessions whose work never meets git: what was said of them decides, and nothing else.

A product without git has no repository, so its outcomes belong to one record that stands for that, `NOWHERE`, which
has no licence: such rows can be trained on only after the operator has granted one for it
(`golddiff rights grant`). A session whose transcript names a repository, or that a git repository has an outcome for,
is left to `golddiff outcomes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from golddiff.outcomes.analyse import Analysed
from golddiff.outcomes.decide import METHOD, attempts_of, written_lines
from golddiff.outcomes.fates import line_fates
from golddiff.outcomes.gold import Gold
from golddiff.outcomes.judge import Judgement, hunk_fates
from golddiff.outcomes.place import Placement
from golddiff.outcomes.replay import replay
from golddiff.outcomes.run import drop_attempts, keep_attempts
from golddiff.outcomes.told import gold_of, last_verdict, load_events, weigh
from golddiff.rights import redact_text
from golddiff.store import Store
from golddiff.store.signals import SignalBook
from golddiff.types import LineFate, Outcome, Repository, Session, SessionState, derive_id

NOWHERE = Repository(id=derive_id("rep", "", "no repository"), name="no repository")
"""Stands for the repository of work that is in none."""


def settle_without_git(store: Store, session_ids: Iterable[str] | None = None) -> list[Outcome]:
    """Decide the outcome of every session that has a verdict and no git repository; None means all of them."""
    book = SignalBook(store)
    made: list[Outcome] = []
    for session_id in book.sessions if session_ids is None else session_ids:
        verdict = last_verdict(book.of(session_id))
        known = [item for item in store.find(Outcome, session_id=session_id) if item.repository_id != NOWHERE.id]
        if verdict is None or not store.count(Session, id=session_id):
            continue
        if known:
            _forget(store, session_id)
            continue
        session = store.get(Session, session_id)
        if session.repository_url or session.base_commit or session.branch:  # git has not been asked yet
            continue
        done = replay(load_events(store, book, session), lambda path: path, None)
        gold = Gold() if verdict.kind == "reject" else gold_of(verdict, done, None)
        judged = weigh(Judgement(SessionState.UNKNOWN, 0.0, ()), verdict, None)
        lines = [] if verdict.kind == "reject" else line_fates(done, gold)
        counts = Counter(line.fate for line in lines)
        written = written_lines(done)
        patch = redact_text(gold.diff) if gold.files or verdict.patch is None else verdict.patch
        outcome = Outcome(
            id=derive_id("out", session_id, NOWHERE.id),
            session_id=session_id,
            repository_id=NOWHERE.id,
            state=judged.state,
            confidence=judged.confidence,
            gold_patch=patch if judged.state is not SessionState.REJECTED else redact_text(""),
            hunks=tuple(hunk_fates(lines, done)),
            written_lines=written,
            kept_lines=counts[LineFate.KEPT],
            revised_lines=counts[LineFate.REVISED],
            dropped_lines=counts[LineFate.DROPPED] if lines else written if verdict.kind == "reject" else 0,
            reasons=tuple(
                redact_text(reason)
                for reason in (
                    *judged.reasons,
                    *(f"not compared: {path}: {why}" for path, why in gold.left_out.items()),
                )
            ),
            method=METHOD,
        )
        with store.transaction():
            if not store.count(Repository, id=NOWHERE.id):
                store.put(NOWHERE)
            store.put(outcome, parents=(session_id, NOWHERE.id))
            found = Analysed(session, "its verdict was told", True, Placement(None, ()), done, 0.0, [])
            keep_attempts(store, outcome, attempts_of(found, gold, outcome))
        made.append(outcome)
    return made


def _forget(store: Store, session_id: str) -> None:
    """Remove what was decided before git had something to say."""
    for outcome in store.find(Outcome, session_id=session_id, repository_id=NOWHERE.id):
        store.remove(Outcome, outcome.id)
        drop_attempts(store, session_id, NOWHERE.id, set())

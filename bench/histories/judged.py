"""What golddiff says of a history: one outcome per session, and the life of every line; beside the truth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.histories import MAIN, History

from golddiff.git import GitRepository
from golddiff.outcomes.run import compute
from golddiff.outcomes.survival import follow, lives
from golddiff.outcomes.survival.forward import Carry
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store
from golddiff.types import Outcome, RawSession, Survival


@dataclass(frozen=True, slots=True)
class Judged:
    """Records by the name of the session."""

    outcomes: dict[str, Outcome]
    survivals: dict[str, Survival]


def judge(history: History, sessions: Iterable[RawSession] | None = None) -> Judged:
    """Run the stage; `sessions` are stored in the order given, all of the history by default."""
    names: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        for transcript in history.sessions if sessions is None else sessions:
            _, session_id = store.add_transcript(redact_transcript(transcript))
            names[session_id] = transcript.session.provider_session_id or ""
        outcomes = compute(store, history.folder).outcomes
        return Judged(
            {names[outcome.session_id]: outcome for outcome in outcomes},
            {names[survival.session_id]: survival for survival in store.find(Survival)},
        )


Lives = dict[tuple[int, str], str | None]
"""(line, commit of the main line that brought it in) → the commit that ended it, None where it lives on."""


def told_lives(history: History, carry: Carry) -> Lives:
    """Lives on the main line as golddiff follows them, `carry` saying in which mode."""
    found: Lives = {}
    with GitRepository.open(history.folder) as git:
        for life in lives(follow(git, MAIN, carry=carry)):
            written = history.truth.trees[life.born][life.path]
            for line in written[life.first_line - 1 : life.first_line - 1 + life.lines]:
                found[line.id, life.reached] = life.ended_by
    return found


def true_lives(history: History) -> Lives:
    """The same, as the generator knows them."""
    return {(number, life.born): life.ended for number, line in history.truth.lines.items() for life in line.lives}

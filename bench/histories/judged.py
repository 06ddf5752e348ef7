"""What golddiff says of a history: its sessions stored, its repository read, one outcome per session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench.histories import History

from golddiff.outcomes.run import compute
from golddiff.rights.redact import redact_transcript
from golddiff.store import Store
from golddiff.types import Outcome, RawSession


def judge(history: History, sessions: Iterable[RawSession] | None = None) -> dict[str, Outcome]:
    """Outcomes by the name of the session; `sessions` are stored in the order given, all of the history by default."""
    names: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        for transcript in history.sessions if sessions is None else sessions:
            _, session_id = store.add_transcript(redact_transcript(transcript))
            names[session_id] = transcript.session.provider_session_id or ""
        return {names[outcome.session_id]: outcome for outcome in compute(store, history.folder).outcomes}

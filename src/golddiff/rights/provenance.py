"""Where what a session left comes from: who wrote it, with which model, in whose repository.

How it fits: `permits` decides on what this says; `curate` makes rows of sessions, `evaluate` tasks, `cli` explains.
"""

from __future__ import annotations

from golddiff.rights import terms
from golddiff.types import Clean, Outcome, Provenance, Repository, Session

SIMULATED = "golddiff-simulated"
"""Provider, and beginning of the models, of our own scripts."""


def provenance_of(session: Session[Clean], repository: Repository | None, outcome: Outcome | None = None) -> Provenance:
    """Say where rows of a session come from; `permits` decides on this."""
    simulated = bool(session.models) and all(model.startswith(SIMULATED) for model in session.models)
    provider = terms.lookup(session.models[0]).provider if len(session.models) == 1 else None
    return Provenance(
        written_by="simulated" if simulated else "agent",
        provider=SIMULATED if simulated else provider,
        model=", ".join(session.models) or None,
        repository_id=repository.id if repository else None,
        licence=repository.licence if repository else None,
        session_id=session.id,
        outcome_id=outcome.id if outcome else None,
        commit=outcome.commits[-1].sha if outcome and outcome.commits else None,
        subject=session.subject,
    )

"""May this row be trained on? Provider terms × repository licence × consent, deny by default, every reason stored.

| written by | terms                    | licence                  | consent                                   |
|------------|--------------------------|--------------------------|-------------------------------------------|
| agent      | of every model, or grant | of the repository, or grant | of its session or subject, or of everyone |
| human      | not asked: no model      | of the repository, or grant | not asked: published under that licence   |
| simulated  | only our own script      | of the code it edits     | not asked: nobody is behind it            |

Anything else (another author, no licence, a model without terms on file, silence) is denied. For `evaluate` terms are
not asked, since nothing is trained; licence and consent are. Why history needs no consent of its own:
docs/decisions/0004-rights-policy.md. This is a policy for engineers, not legal advice.
"""

from __future__ import annotations

from dataclasses import dataclass

from golddiff.errors import RightsError
from golddiff.rights import licence, terms
from golddiff.rights.consent import EVERYONE, Grants
from golddiff.rights.provenance import SIMULATED
from golddiff.types import Example, Provenance, Verdict

USES = ("train", "evaluate")
_POLICY = 1
"""Raised when the same facts lead to another verdict."""

_NOBODY = Grants()


@dataclass(frozen=True)
class _Gate:
    name: str
    open: bool
    decision: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.decision} ({self.detail})"


def version() -> str:
    """Version of the policy and date of the provider-terms file."""
    return f"policy {_POLICY}, terms {terms.load().version}"


def permits(row: Example | Provenance, *, use: str = "train", grants: Grants = _NOBODY) -> Verdict:
    """Return the verdict on one row, with the reason of every gate, the refusing ones first.

    Raises RightsError for a use that the policy does not know.
    """
    if use not in USES:
        raise RightsError(f"unknown use `{use}`: the policy decides on {' and '.join(USES)}.")
    provenance = row.provenance if isinstance(row, Example) else row
    gates = [_terms(provenance, use, grants), _licence(provenance, grants), _consent(provenance, grants)]
    gates.sort(key=lambda gate: gate.open)
    return Verdict(
        use=use,
        permitted=all(gate.open for gate in gates),
        reasons=tuple(str(gate) for gate in gates),
        policy=version(),
    )


def _terms(provenance: Provenance, use: str, grants: Grants) -> _Gate:
    if provenance.written_by == "human":
        return _Gate("terms", True, "not asked", "written by a person")
    if use == "evaluate":
        return _Gate("terms", True, "not asked", "nothing is trained")
    if provenance.written_by == "simulated" and provenance.provider != SIMULATED:
        return _Gate("terms", False, "unknown", f"a simulated row must name the provider {SIMULATED}")
    gates = [_model_terms(model, provenance, grants) for model in _models(provenance)]
    return min(gates, key=lambda gate: gate.open)


def _model_terms(model: str | None, provenance: Provenance, grants: Grants) -> _Gate:
    reading = terms.lookup(model, provenance.provider)
    permission = grants.find("terms", model, reading.provider, provenance.provider)
    if permission is not None:
        return _Gate("terms", permission.granted, "granted" if permission.granted else "withdrawn", permission.reason)
    source = f"; {reading.source.title}, {reading.source.read} as of {reading.source.as_of}" if reading.source else ""
    return _Gate(
        "terms",
        reading.training in (terms.Training.ALLOWED, terms.Training.OPEN_WEIGHT),
        reading.training.value,
        f"{model or 'no model recorded'}: {reading.says}{source}",
    )


def _models(provenance: Provenance) -> list[str | None]:
    names = [name.strip() for name in (provenance.model or "").split(",")]
    return [name for name in names if name] or [None]


def _licence(provenance: Provenance, grants: Grants) -> _Gate:
    permission = grants.find("licence", provenance.repository_id)
    if permission is not None and not permission.granted:
        return _Gate("licence", False, "withdrawn", permission.reason)
    if permission is not None and permission.states is None:
        return _Gate("licence", True, "granted", permission.reason)
    stated = permission.states if permission is not None else provenance.licence
    reading = licence.permits_training(stated)
    return _Gate("licence", reading.permits, "permissive" if reading.permits else "denied", reading.reason)


def _consent(provenance: Provenance, grants: Grants) -> _Gate:
    permission = grants.find("consent", provenance.session_id, provenance.subject, EVERYONE)
    if permission is not None and not permission.granted and provenance.written_by != "simulated":
        return _Gate("consent", False, "withdrawn", permission.reason)
    if provenance.written_by == "human":
        return _Gate("consent", True, "not asked", "published by its authors under the repository's licence")
    if provenance.written_by == "simulated":
        return _Gate("consent", True, "not asked", "nobody is behind a script")
    if permission is not None:
        return _Gate("consent", True, "granted", permission.reason)
    return _Gate("consent", False, "none", "nobody consented; record it with `golddiff rights grant consent`")

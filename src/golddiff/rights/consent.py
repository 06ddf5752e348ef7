"""Consent and written permission: what people and providers allowed, as recorded with `golddiff rights grant`.

Records are only ever added; the latest one for a gate and a name counts. Several names may cover one row (its
session, its subject, everyone): a withdrawal under any of them beats a permission under another, and silence is no.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from golddiff.types import Grant

EVERYONE = "*"
"""Covers every session of the workspace: for an operator whose sessions they all are."""

GATES = ("terms", "licence", "consent")


@dataclass(frozen=True)
class Permission:
    """What the record says about some names."""

    granted: bool
    reason: str
    states: str | None = None


class Grants:
    """The permissions of one workspace, by gate and name."""

    def __init__(self, records: Iterable[Grant] = ()) -> None:
        self._latest: dict[tuple[str, str], Grant] = {}
        for record in sorted(records, key=lambda record: record.recorded_at):
            self._latest[record.gate, record.applies_to] = record

    def find(self, gate: str, *names: str | None) -> Permission | None:
        """Return what was recorded for any of `names`, withdrawals first; None where nothing was."""
        found = [self._latest[gate, name] for name in names if name and (gate, name) in self._latest]
        if not found:
            return None
        grant = min(found, key=lambda record: record.granted)
        what = "granted" if grant.granted else "withdrawn"
        reason = f"{what} by {grant.by} on {grant.recorded_at:%Y-%m-%d}, see {grant.document}"
        return Permission(grant.granted, reason, grant.states)

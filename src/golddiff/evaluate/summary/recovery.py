"""Capability recovered by one student of one teacher, as a report says it."""

from __future__ import annotations

import msgspec

from golddiff.statistics.recovered import CRRefused, Recovered

__all__ = ["Recovery"]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """Capability recovered by one student."""

    student: str
    base: str
    teacher: str
    result: Recovered | CRRefused

    def __str__(self) -> str:
        if isinstance(self.result, CRRefused):
            return f"not given: {self.result.reason}"
        ratio = self.result.ratio
        return f"{ratio.estimate:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"

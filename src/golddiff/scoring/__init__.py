"""Compare a change with the gold diff, by text and by running it. A failure of our own is `Unscored`, never 0."""

from golddiff.scoring.delta import delta_chrf, exact_match, line_f1, text_metrics
from golddiff.scoring.executed import Kind, Unscored, Verdict, check_candidates, unusable_checks
from golddiff.scoring.locate import stage_metrics

__all__ = [
    "Kind",
    "Unscored",
    "Verdict",
    "check_candidates",
    "delta_chrf",
    "exact_match",
    "line_f1",
    "stage_metrics",
    "text_metrics",
    "unusable_checks",
]

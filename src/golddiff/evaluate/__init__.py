"""Prove what a student learned: arms on held-out tasks, scored by text and by execution, with intervals.

Start at `run.evaluate`; `report.write` makes the page. Both are meant to be called from recipes.
"""

from golddiff.evaluate.arms import Arm, Role
from golddiff.evaluate.run import EvaluationConfig, evaluate
from golddiff.evaluate.summary.summary import Summary, summarise

__all__ = ["Arm", "EvaluationConfig", "Role", "Summary", "evaluate", "summarise"]

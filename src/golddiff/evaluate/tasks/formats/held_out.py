"""Held-out tasks of a dataset as rows that other harnesses ask: the messages, the target, and what decides.

How it fits: `golddiff tasks export`. The messages are those that `golddiff evaluate` sends (`prompts.edit_messages`):
a served student meets the same tokens whoever asks. `target` is the accepted window as an answer would write it, and
`metadata` holds the window before, the limit of tokens that our own run sets, and the executed check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from golddiff.evaluate.run import EvaluationConfig
from golddiff.prompts.edit import edit_messages, update_text
from golddiff.types import Example

__all__ = ["rows"]


def rows(tasks: Sequence[Example], *, explain: bool = False, config: EvaluationConfig | None = None) -> Iterator[Any]:
    """Yield one row per task, in order. `explain` adds the system message that untrained models get."""
    config = config or EvaluationConfig()
    for task in tasks:
        yield {
            "id": task.id,
            "input": [{"role": one.role, "content": one.content} for one in edit_messages(task, explain=explain)],
            "target": update_text(task),
            "metadata": {
                "path": task.path,
                "family": task.family,
                "before": task.before,
                "max_tokens": config.limit_of(task),
                "program": task.check.program if task.check else None,
                "expected": task.check.expected if task.check else None,
            },
        }

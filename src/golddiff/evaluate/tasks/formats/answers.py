"""Answers to program tasks, as other harnesses leave them in files.

How it fits: `golddiff tasks score --samples` reads them, `samples` judges them. Read are

- HumanEval: `task_id`, `completion` (the rest of the prompt); with its own results also `passed`
- EvalPlus: `task_id`, `solution` (a whole program); and its `*_eval_results.json`
- lm-evaluation-harness: `samples_*.jsonl` of its code tasks (`doc`, `filtered_resps`, `pass@1`), whole programs
- Inspect AI: a log, in which an answer is code, or a chat message with one fenced block of code

Where a file says how its harness judged an answer, `Sample.passed` keeps that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats.inspect_log import read_log
from golddiff.evaluate.tasks.repository import objects
from golddiff.evaluate.tasks.samples import Judged, Sample

__all__ = ["code_of", "read_answers", "write_judged"]

_FENCED = re.compile(r"^```(?:python|py)?[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def read_answers(path: Path) -> list[Sample]:
    """Read the answers of a file, whichever of the forms it has. Raises InputError where it has none of them."""
    if path.suffix in (".json", ".eval"):
        found = list(_results(path) or _log(path))
    else:
        found = [sample for number, row in objects(path) for sample in _row(path, number, row)]
    if not found:
        raise InputError(f"{path} holds no answer.")
    return found


def write_judged(path: Path, judged: list[Judged]) -> None:
    """Write answers with their verdicts, in the form of HumanEval's results, replacing the file."""
    try:
        path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in judged))
    except OSError as error:
        raise InputError(f"cannot write {path} ({error}). Give another --output.") from error


def code_of(message: str) -> str:
    """Return the first fenced block of a chat answer, or all of it where there is none."""
    found = _FENCED.search(message.replace("\r\n", "\n"))
    return found[1] if found else message


def _row(path: Path, number: int, row: dict[str, Any]) -> Iterator[Sample]:
    try:
        if "doc" in row:
            verdict = next((row[name] for name in ("pass@1", "pass_at_1") if name in row), None)
            for answer in _flat(row.get("filtered_resps") or row["resps"]):
                passed = bool(verdict) if verdict in (0, 1) else None
                yield Sample(task_id=str(row["doc"]["task_id"]), answer=answer, whole=True, passed=passed)
            return
        text = row["solution"] if "solution" in row else row["completion"]
        yield msgspec.convert(
            {
                "task_id": str(row["task_id"]),
                "answer": text,
                "whole": True if "solution" in row else None,
                "model": str(row.get("model") or row.get("model_name_or_path") or "model"),
                "passed": row.get("passed"),
            },
            Sample,
        )
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        known = "task_id with completion (HumanEval) or solution (EvalPlus), or doc with resps (lm-eval)"
        raise InputError(f"{path}:{number}: expected {known} ({type(error).__name__}: {error}).") from error


def _flat(answers: Any) -> Iterator[str]:
    if isinstance(answers, str):
        yield answers
        return
    for one in answers:
        yield from _flat(one)


def _results(path: Path) -> list[Sample] | None:
    """Return the answers of EvalPlus's results; None where the file is something else."""
    try:
        rows = json.loads(path.read_bytes())["eval"]
        return [
            Sample(
                task_id=task,
                answer=one["solution"],
                whole=True,
                passed=one["base_status"] == "pass" and one.get("plus_status") in ("pass", None),
            )
            for task, of_task in rows.items()
            for one in of_task
        ]
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _log(path: Path) -> Iterator[Sample]:
    for one in read_log(path):
        yield Sample(task_id=one.id, answer=code_of(one.answer), model=one.model, passed=one.passed)

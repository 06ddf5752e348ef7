"""Logs of Inspect AI: our runs written as one, and answers with their verdicts read from one.

How it fits: `golddiff export evaluation` and `golddiff tasks score --inspect` write, `answers` reads. Written is the
JSON form (version 2), which `inspect view` shows and `inspect_ai.log.read_eval_log` reads; read are that form and the
`.eval` archive of it. An answer of ours that is unscored becomes a sample with an error and without a score: in
Inspect's results it counts as neither right nor wrong.

Not covered: events, tools, several scorers (the first score of a sample is taken).

Source: inspect_ai 0.3 (MIT), `inspect_ai.log.EvalLog`.
"""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard

from golddiff import __version__
from golddiff.errors import InputError
from golddiff.types import Message, derive_id

__all__ = ["LoggedSample", "eval_log", "read_log"]

_BROKEN = (zipfile.BadZipFile, zstandard.ZstdError, struct.error, NotImplementedError)
_ZSTD = 93
"""Method of a zip archive's member."""
_VALUES = {"C": True, "I": False, "correct": True, "incorrect": False, "yes": True, "no": False}


class LoggedSample(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to one task, as a log has it."""

    id: str
    epoch: int = 1
    """Which answer to the task, from 1."""
    messages: tuple[Message, ...] = ()
    """What was asked."""
    target: str = ""
    answer: str = ""
    model: str = ""
    passed: bool | None = None
    """None: no verdict."""
    reason: str = ""
    """Why the answer failed, or why there is no verdict."""
    values: dict[str, float] = {}
    """Further numbers about the answer."""


def eval_log(
    samples: Sequence[LoggedSample],
    *,
    task: str,
    dataset: str,
    model: str,
    created: datetime,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the log as plain data, ready for JSON. `metadata` is golddiff's own, kept under `golddiff`."""
    when = created.isoformat()
    scored = [sample for sample in samples if sample.passed is not None]
    share = sum(sample.passed is True for sample in scored) / len(scored) if scored else 0.0
    accuracy = {"name": "accuracy", "value": share, "params": {}, "metadata": {}}
    identity = derive_id("log", task, dataset, model, when)
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": identity,
            "run_id": identity,
            "created": when,
            "task": task,
            "task_id": derive_id("task", task, dataset),
            "task_version": 0,
            "dataset": {
                "name": dataset,
                "samples": len({sample.id for sample in samples}),
                "sample_ids": list(dict.fromkeys(sample.id for sample in samples)),
                "shuffled": False,
            },
            "model": model,
            "config": {"epochs": max((sample.epoch for sample in samples), default=1)},
            "packages": {"golddiff": __version__},
            "scorers": [{"name": "success", "options": {}, "metrics": [{"name": "accuracy", "options": {}}]}],
        },
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}], "config": {"temperature": 0.0}},
        "results": {
            "total_samples": len(samples),
            "completed_samples": len(scored),
            "scores": [
                {
                    "name": "success",
                    "scorer": "success",
                    "scored_samples": len(scored),
                    "unscored_samples": len(samples) - len(scored),
                    "params": {},
                    "metrics": {"accuracy": accuracy} if scored else {},
                }
            ],
        },
        "stats": {"started_at": when, "completed_at": when, "model_usage": {}},
        "metadata": {"golddiff": metadata or {}},
        "samples": [_sample(sample, model) for sample in samples],
    }


def _sample(sample: LoggedSample, model: str) -> dict[str, Any]:
    asked = [{"role": message.role, "content": message.content} for message in sample.messages]
    said = {"role": "assistant", "content": sample.answer, "source": "generate", "model": model}
    made: dict[str, Any] = {
        "id": sample.id,
        "epoch": sample.epoch,
        "input": asked,
        "target": sample.target,
        "messages": [*asked, said],
        "output": {
            "model": model,
            "choices": [{"message": said, "stop_reason": "stop"}],
            "completion": sample.answer,
        },
        "metadata": sample.values,
        "store": {},
        "events": [],
        "model_usage": {},
        "attachments": {},
    }
    if sample.passed is None:
        made["error"] = {"message": f"unscored: {sample.reason}", "traceback": "", "traceback_ansi": ""}
    else:
        made["scores"] = {
            "success": {
                "value": "C" if sample.passed else "I",
                "answer": sample.answer,
                "explanation": sample.reason or None,
            }
        }
    return made


def read_log(path: Path) -> list[LoggedSample]:
    """Return the samples of a log, in order of tasks and epochs; a sample that ended with an error has no verdict.

    Raises InputError where the file is no log, or one that only Inspect itself can open.
    """
    try:
        documents = _archive(path) if zipfile.is_zipfile(path) else _document(path)
        samples = [_logged(one) for one in documents]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, *_BROKEN) as error:
        raise InputError(
            f"{path} is no log of Inspect that can be read here ({type(error).__name__}: {error}). "
            "Inspect makes JSON of it: inspect log convert --to json --output-dir FOLDER FILE"
        ) from error
    return sorted(samples, key=lambda sample: (sample.id, sample.epoch))


def _document(path: Path) -> list[dict[str, Any]]:
    log = json.loads(path.read_bytes())
    model = log["eval"]["model"]
    return [sample | {"_model": model} for sample in log.get("samples") or []]


def _archive(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        members = {one.filename: one for one in archive.infolist()}
        model = json.loads(_member(archive, file, members["header.json"]))["eval"]["model"]
        chosen = [one for name, one in members.items() if name.startswith("samples/") and name.endswith(".json")]
        return [json.loads(_member(archive, file, one)) | {"_model": model} for one in chosen]


def _member(archive: zipfile.ZipFile, file: IO[bytes], member: zipfile.ZipInfo) -> bytes:
    """Return one member's bytes; Inspect compresses with zstd, which Python's own library cannot read before 3.14."""
    if member.compress_type != _ZSTD:
        return archive.read(member)
    file.seek(member.header_offset)
    *_, name_length, extra_length = struct.unpack("<4s5H3I2H", file.read(30))
    file.seek(name_length + extra_length, os.SEEK_CUR)
    data = file.read(member.compress_size)
    return zstandard.ZstdDecompressor().stream_reader(data).read(member.file_size)


def _logged(sample: dict[str, Any]) -> LoggedSample:
    attached = sample.get("attachments") or {}
    asked = sample["input"] if isinstance(sample["input"], list) else [{"role": "user", "content": sample["input"]}]
    choices = (sample.get("output") or {}).get("choices") or [{"message": {"content": ""}}]
    score: dict[str, Any] = next(iter((sample.get("scores") or {}).values()), {})
    target = sample.get("target", "")
    return LoggedSample(
        id=str(sample["id"]),
        epoch=int(sample.get("epoch", 1)),
        messages=tuple(Message(one["role"], _text(one["content"], attached)) for one in asked),
        target=target if isinstance(target, str) else "\n".join(target),
        answer=_text(choices[0]["message"]["content"], attached),
        model=sample["_model"],
        passed=None if sample.get("error") else _verdict(score.get("value")),
        reason=str((sample.get("error") or {}).get("message") or score.get("explanation") or ""),
    )


def _text(content: Any, attached: dict[str, str]) -> str:
    """Return a message's text: a string, or parts of which some are text; long ones are kept beside the sample."""
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    return attached.get(text.removeprefix("attachment://"), text) if text.startswith("attachment://") else text


def _verdict(value: Any) -> bool | None:
    if isinstance(value, str):
        return _VALUES.get(value)
    return bool(value) if value in (0, 1) else None  # anything between is no verdict

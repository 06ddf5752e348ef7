"""exercism: practice exercises as folders, from one exercise to a whole track. The Python track is read.

`.meta/config.json` names the files: the stub that a student starts from, the tests, the example solution. The prompt is
the instructions with the stub; an answer is the whole file. Benchmarks that use these exercises (Aider's among them)
do the same. Other tracks need other languages in the sandbox: their exercises are counted and left out.

Source: exercism.org/docs/building/tracks/practice-exercises.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from golddiff.errors import InputError
from golddiff.evaluate.tasks.formats import Found
from golddiff.evaluate.tasks.programs import ProgramTask

__all__ = ["read"]

_MOST_BYTES = 1_000_000


class _Files(msgspec.Struct):
    solution: list[str] = []
    test: list[str] = []
    example: list[str] = []
    exemplar: list[str] = []
    editor: list[str] = []


class _Config(msgspec.Struct):
    files: _Files


def read(path: Path) -> Found:
    """Read one exercise, a folder of exercises, or a track (its `exercises/practice`); tasks are named by their folder.

    Raises InputError where there is no exercise or a file that one names cannot be read.
    """
    found = Found()
    for folder in _exercises(path):
        made = _task(folder)
        if isinstance(made, str):
            found.dropped[made] += 1
        else:
            found.tasks.append(made)
    if not found.tasks and not found.dropped:
        raise InputError(f"{path} holds no exercise: none of its folders has .meta/config.json.")
    return found


def _exercises(path: Path) -> Iterator[Path]:
    for pattern in (".meta", "*/.meta", "exercises/practice/*/.meta"):
        yield from sorted(place.parent for place in path.glob(pattern) if (place / "config.json").is_file())


def _task(folder: Path) -> ProgramTask | str:
    try:
        files = msgspec.json.decode((folder / ".meta/config.json").read_bytes(), type=_Config).files
    except msgspec.MsgspecError as error:
        raise InputError(f"{folder / '.meta/config.json'}: this is no exercise's configuration ({error}).") from error
    accepted = files.example or files.exemplar
    named = [*files.solution, *files.test, *accepted]
    if not all(name.endswith(".py") for name in named):
        return "of a track other than Python's"
    if not files.solution or not files.test or not accepted:
        return "names no stub, no tests or no example"
    solution, test = files.solution[0], files.test[0]
    if "/" in solution or len(files.solution) > 1:
        return "asks for more than one file"
    stub = _text(folder, solution)
    beside = sorted(path.name for path in folder.glob("*.py"))  # a configuration may not name what its tests import
    helpers = dict.fromkeys((*files.test[1:], *files.editor, *beside))
    return ProgramTask(
        task_id=f"exercism/{folder.name}",
        prompt=f"{_instructions(folder)}\n\nComplete {solution}:\n\n```python\n{stub.strip()}\n```\n",
        canonical_solution=_text(folder, accepted[0]),
        test=_text(folder, test),
        whole=True,
        module=solution.removesuffix(".py"),
        test_file=test,
        files={name: _text(folder, name) for name in helpers if name not in (solution, test)},
        wrong=stub,
    )


def _instructions(folder: Path) -> str:
    names = ("introduction.md", "instructions.md", "instructions.append.md")
    return "\n\n".join(_text(folder, f".docs/{name}").strip() for name in names if (folder / ".docs" / name).is_file())


def _text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        if not path.resolve().is_relative_to(folder.resolve()) or path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: an exercise's files lie in its folder and are smaller than 1 MB.")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error}).") from error

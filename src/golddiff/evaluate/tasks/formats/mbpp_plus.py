"""Inputs of MBPP+ as its functions are called: JSON has no tuples, sets or complex numbers, so EvalPlus restores them.

How it fits: `evalplus` reads inputs and asks here. A function that takes tuples may be right and fail on lists
(`a + (b,)`, `set(pairs)`); given lists, right answers would be judged wrong. Which task takes what is nowhere in the
rows: it is a list of task numbers in EvalPlus itself.

Source: the repository evalplus/evalplus, evalplus/data/mbpp.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

__all__ = ["as_called"]

_DEEP = range(99)
_TUPLES: tuple[tuple[frozenset[int], Collection[int], Collection[int]], ...] = (
    (
        frozenset({2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740})
        | {744, 809},
        _DEEP,
        {0},
    ),
    (frozenset({63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780}), _DEEP, {1}),
    (frozenset({75, 413, 444, 753}), {0}, {1}),
    (frozenset({106, 750}), {1}, {0}),
    (frozenset({250, 307, 405, 446, 617, 720, 763, 808}), {0}, {0}),
    (frozenset({259, 278, 401, 445}), _DEEP, {0, 1}),
    (frozenset({580, 615, 791}), _DEEP, _DEEP),
)
"""Task numbers, the arguments (by place) that hold tuples, and at which depth of them lists are tuples."""


def as_called(task_id: str, given: list[Any]) -> list[Any]:
    """Return one input's arguments as the function takes them; inputs of other benchmarks are returned as they are.

    Raises ValueError, TypeError, LookupError or AttributeError where a task's input has not the form it should have.
    """
    benchmark, _, number = task_id.rpartition("/")
    if benchmark != "Mbpp" or not number.isdigit():
        return given
    match int(number):
        case 115:
            return [[set(one) if one else {} for one in given[0]]]
        case 124:
            return [float(given[0]), complex(given[1])]
        case 252:
            return [complex(given[0])]
        case 722:
            return [{key: tuple(value) for key, value in given[0].items()}, *given[1:]]
    for numbers, places, depths in _TUPLES:
        if int(number) in numbers:
            return [_tuples(value, depths) if place in places else value for place, value in enumerate(given)]
    return given


def _tuples(value: Any, depths: Collection[int], depth: int = 0) -> Any:
    if not isinstance(value, list):
        return value
    inner = [_tuples(one, depths, depth + 1) for one in value]
    return tuple(inner) if depth in depths else inner

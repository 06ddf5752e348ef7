"""Chunks of work, wherever they run."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from golddiff.errors import InputError, UsageError
from golddiff.parallel import Workers, spread

HERE, PROCESSES = Workers(), Workers(jobs=2)


@pytest.fixture(params=["here", "processes", "ray"])
def workers(request: pytest.FixtureRequest) -> Workers:
    """Every kind of worker; Ray is started once for all of its tests, with what it warns of on import let through."""
    if request.param != "ray":
        return {"here": HERE, "processes": PROCESSES}[request.param]
    request.getfixturevalue("ray")
    return Workers(ray="auto")


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A Ray of four workers on this machine."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    program = pytest.importorskip("ray", reason="Ray is not installed (pip install 'golddiff[ray]')")
    program.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    program.shutdown()


def square(number: int) -> int:
    """Take longer the smaller it is, so that the first chunk ends last."""
    time.sleep(0.03 / (1 + number))
    return number * number


def refuse(number: int) -> int:
    """Fail in the two ways there are."""
    if number == 1:
        raise InputError("it is not a repository. Give another.")
    return 1 // (number - 2)


class OnlyHere:
    """Says no when another process reads it."""

    def __reduce__(self) -> tuple[object, ...]:
        return refuse, (1,)


def only_there(number: int) -> OnlyHere | int:
    """Return what nobody else can read."""
    return OnlyHere() if number == 1 else number


def held(chunk: tuple[int, Path]) -> int:
    """The first is done at once, the others when they may: none is free before."""
    number, folder = chunk
    while number and not (folder / "go").exists():
        time.sleep(0.005)
    return number


def die(target: tuple[int, Path]) -> int:
    """Kill the process at one chunk always, at another the first time only."""
    number, folder = target
    once = folder / "died"
    if number == 1 or (number == 2 and not once.exists()):
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_the_order_of_the_chunks_and_each_end_is_told_once(workers: Workers) -> None:
    told: list[tuple[str, int]] = []
    chunks = [(f"chunk {number}", number) for number in range(9)]
    done = list(spread(square, chunks, workers, progress=lambda name, count: told.append((name, count))))
    assert [(one.name, one.get()) for one in done] == [(name, number**2) for name, number in chunks]
    assert sorted(name for name, _ in told) == [name for name, _ in chunks]
    assert [count for _, count in told] == list(range(1, 10))


def test_a_chunk_that_fails_says_which_it_was_and_stops_no_other(workers: Workers) -> None:
    zero, one, two, three = spread(refuse, [(f"repo-{number}", number) for number in range(4)], workers)
    assert (zero.get(), three.get()) == (-1, 1)
    with pytest.raises(InputError, match=r"^repo-1: it is not a repository\. Give another\.$"):
        one.get()
    assert str(two.error).startswith("repo-2: ZeroDivisionError: integer division or modulo by zero (test_parallel.py:")


def test_a_process_that_dies_fails_its_own_chunk_only_and_is_given_a_second_try(tmp_path: Path) -> None:
    done = list(spread(die, [(f"repo-{number}", (number, tmp_path)) for number in range(5)], PROCESSES))
    assert [one.value for one in done] == [0, None, 2, 3, 4]
    assert "repo-1: its process died twice" in str(done[1].error)


@pytest.mark.parametrize("workers", [HERE, PROCESSES], ids=["here", "processes"])
def test_items_are_made_as_workers_become_free(workers: Workers, tmp_path: Path) -> None:
    made: list[int] = []

    def chunks() -> Iterator[tuple[str, tuple[int, Path]]]:
        for number in range(12):
            made.append(number)
            yield str(number), (number, tmp_path)

    results = spread(held, chunks(), workers)
    assert next(results).get() == 0
    assert len(made) <= 8
    (tmp_path / "go").touch()
    assert [one.get() for one in results] == list(range(1, 12))


def test_what_cannot_travel_is_the_error_of_its_chunk() -> None:
    here, there = spread(square, [("lambda", lambda: 1), ("five", 5)], PROCESSES)  # type: ignore[list-item]
    assert str(here.error).startswith("lambda: ")
    assert there.get() == 25


def test_a_result_that_cannot_be_read_is_told_as_such_and_not_as_a_dead_process() -> None:
    zero, one, two = spread(only_there, [(f"repo-{number}", number) for number in range(3)], PROCESSES)
    assert (zero.get(), two.get()) == (0, 2)
    assert str(one.error).startswith("repo-1: its result cannot be read here (InputError: it is not a repository.")


def test_a_ray_that_is_not_installed_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'golddiff\[ray\]'"):
        list(spread(square, [("one", 1)], Workers(ray="auto")))


def test_jobs_below_one_are_refused() -> None:
    with pytest.raises(UsageError, match="0 jobs"):
        Workers(jobs=0)

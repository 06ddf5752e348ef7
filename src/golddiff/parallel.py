"""Spreads chunks of work over this machine's processes, or over Ray workers: the one room that does.

A chunk is a name and an item; the work is an importable function of one item. Results come in the order of the chunks
whatever finished first, so what is made of them does not depend on where they ran. Items are taken from their iterable
only as workers become free, so a long list of large items is never in memory at once.

A chunk that fails gives a `Done` with the error, which names the chunk; the others go on, and the caller decides. A
process that dies (memory, a signal) is told apart from its neighbours: whatever was under way is tried once more, each
in a process of its own, and the one that dies again did it.

How it fits: `cli.app.workers_options` turns `--jobs` and `--ray` into `Workers`; stages that do bulk work take them.
A chunk should be at least about a second of work: a new process costs a third of one, a message to Ray milliseconds.
Ray brings scheduling, messages and workers on other machines; nothing of that is rebuilt here. Its workers need the
same version of golddiff (checked with each chunk) and whatever files the items name, under the same paths.

Not covered: state that chunks share, and results larger than memory: work writes those itself and returns where.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

from golddiff import __version__
from golddiff.errors import GolddiffError, InputError, UsageError

__all__ = ["Done", "Progress", "Workers", "spread"]

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Progress = Callable[[str, int], None]
"""Called as chunks end, in whatever order that is: the chunk's name, and how many have ended."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Where chunks run."""

    jobs: int | None = None
    """Chunks at a time, at least 1. None: one at a time in this process; on Ray, as many as it has processors."""
    ray: str | None = None
    """`local` for a Ray of our own on this machine, `auto`, `HOST:PORT` or `ray://HOST:PORT`; None: no Ray."""

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"cannot work with {self.jobs} jobs at a time: give 1 or more.")


@dataclass(frozen=True, slots=True)
class Done(Generic[ResultT]):
    """One chunk that ended."""

    name: str
    value: ResultT | None = None
    error: GolddiffError | None = None
    """Why it failed, naming it; an error that golddiff does not raise on purpose says where it arose."""

    def get(self) -> ResultT:
        """The result. Raises the error where the chunk failed."""
        if self.error is not None:
            raise self.error
        return cast(ResultT, self.value)


def spread(
    work: Callable[[ItemT], ResultT],
    chunks: Iterable[tuple[str, ItemT]],
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Iterator[Done[ResultT]]:
    """Do `work` on every chunk (name, item) and yield how each ended, in their order.

    With more than one job, `work`, items and results travel between processes, so they must be picklable and `work`
    must be found by its name: a function of a module, or a `functools.partial` of one.

    Raises UsageError where Ray is asked for and not installed, InputError where it cannot be reached. What a chunk
    raises is not raised here: it is in its `Done`.
    """
    where = workers or Workers()
    if where.ray is None and where.jobs in (None, 1):
        attempt = partial(_attempt, __version__, work)
        for ended, (name, item) in enumerate(chunks, 1):
            done: Done[ResultT] = _done(name, attempt(item))
            if progress:
                progress(name, ended)
            yield done
        return
    there = partial(_attempt_there, __version__, work)
    pool = _Processes(there, where.jobs or 1) if where.ray is None else _Ray(there, where.ray, where.jobs)
    try:
        yield from _flow(pool, chunks, progress)
    finally:
        pool.close()


# ------------------------------------------------------------------------------------------------------- one attempt

_Ended = tuple[bool, Any]
"""Whether it went well, and the result or the error."""


_AttemptAt = partial[bytes]
"""An attempt at some work, to be called with an item; see `_attempt_there`."""


def _attempt(version: str, work: Callable[[Any], Any], item: Any) -> _Ended:
    """Do the work where the worker is; errors are returned, so that every kind of worker tells the same of them."""
    if version != __version__:
        here = os.uname().nodename
        return False, InputError(f"the worker on {here} has golddiff {__version__}, and {version} is needed.")
    try:
        return True, work(item)
    except GolddiffError as error:
        return False, error
    except Exception as error:
        return False, _unforeseen(error)


def _attempt_there(version: str, work: Callable[[Any], Any], item: Any) -> bytes:
    """The same in another process, for `_read`: what it cannot send, or we cannot read, is no dead worker."""
    return pickle.dumps(_attempt(version, work, item))


def _read(ended: bytes) -> _Ended:
    try:
        found: _Ended = pickle.loads(ended)  # noqa: S301 - from a worker of ours; the pools read it so too
    except Exception as error:
        return False, GolddiffError(f"its result cannot be read here ({type(error).__name__}: {error})")
    return found


def _unforeseen(error: Exception) -> GolddiffError:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    told = GolddiffError(f"{type(error).__name__}: {error}{place}")
    told.add_note("".join(traceback.format_exception(error)))
    return told


def _done(name: str, ended: _Ended) -> Done[Any]:
    well, found = ended
    if well:
        return Done(name, found)
    found.args = (f"{name}: {found}",)
    return Done(name, error=found)


# --------------------------------------------------------------------------------------------------------- the stream


class _Pool(Protocol):
    """Workers that are not this process."""

    width: int
    """Chunks to hand out at a time, so that no worker waits for the next."""

    def submit(self, item: Any) -> Future[bytes]: ...

    def after_death(self, item: Any, error: Exception) -> _Ended: ...

    def close(self) -> None: ...


def _flow(pool: _Pool, chunks: Iterable[tuple[str, Any]], progress: Progress | None) -> Iterator[Done[Any]]:
    """Keep chunks under way and yield what ended, in the order of the chunks."""
    running: dict[Future[bytes], tuple[int, str, Any]] = {}
    ended: dict[int, Done[Any]] = {}
    coming = enumerate(chunks)
    turn = count = 0
    more = True
    try:
        while more or running:
            while more and len(running) < pool.width:
                following = next(coming, None)
                if following is None:
                    more = False
                else:
                    number, (name, item) = following
                    running[pool.submit(item)] = number, name, item
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, name, item = running.pop(future)
                try:
                    ended[number] = _done(name, _read(future.result()))
                except Exception as error:  # its worker died, or something could not travel
                    ended[number] = _done(name, pool.after_death(item, error))
                count += 1
                if progress:
                    progress(name, count)
            while turn in ended:
                yield ended.pop(turn)
                turn += 1
    finally:
        for future in running:
            future.cancel()


# --------------------------------------------------------------------------------------------- this machine's processes


def _end_with_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a terminal tells every process; this one has nothing to say of it


class _Processes:
    """A pool that outlives the death of its processes. They are spawned: a copy of a process with threads may hang."""

    def __init__(self, attempt: _AttemptAt, jobs: int) -> None:
        self.width = 2 * jobs
        self._attempt = attempt
        self._jobs = jobs
        self._pool = self._start(jobs)

    @staticmethod
    def _start(jobs: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_ctrl_c)

    def submit(self, item: Any) -> Future[bytes]:
        try:
            return self._pool.submit(self._attempt, item)
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = self._start(self._jobs)
            return self._pool.submit(self._attempt, item)

    def after_death(self, item: Any, error: Exception) -> _Ended:
        """Try a chunk in a process of its own where one of the pool died: that chunk may have been a neighbour's."""
        if not isinstance(error, BrokenProcessPool):
            return False, _unforeseen(error)
        pool = self._start(1)
        try:
            return _read(pool.submit(self._attempt, item).result())
        except BrokenProcessPool:
            return False, GolddiffError("its process died twice; the system's log may say why (often: out of memory).")
        except Exception as again:
            return False, _unforeseen(again)
        finally:
            pool.shutdown()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


# ------------------------------------------------------------------------------------------------------------------ Ray


class _Ray:
    """Workers of a Ray cluster, one processor for each chunk; Ray tries a chunk once more whose worker died."""

    def __init__(self, attempt: _AttemptAt, address: str, jobs: int | None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray starts: nothing leaves this machine
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "Ray is not installed: run `pip install 'golddiff[ray]'`, or leave --ray out and give --jobs N to work "
                "in this machine's processes."
            ) from error
        self._ray = ray
        self._ours = not ray.is_initialized()
        own = {"num_cpus": jobs, "include_dashboard": False} if self._ours and address == "local" else {}
        if self._ours:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                raise InputError(
                    f"no Ray at {address!r}: {str(error).splitlines()[0]} Give `local`, `auto`, HOST:PORT or "
                    "ray://HOST:PORT; `ray start --head` starts one on this machine."
                ) from error
        processors = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.width = jobs if jobs is not None and not own else 2 * processors
        self._start = ray.remote(num_cpus=1, max_retries=1)(attempt.func).remote
        self._fixed = attempt.args

    def submit(self, item: Any) -> Future[bytes]:
        future: Future[bytes] = self._start(*self._fixed, item).future()
        return future

    def after_death(self, item: Any, error: Exception) -> _Ended:
        first = str(error).strip().splitlines()[0]
        return False, GolddiffError(f"its Ray worker failed ({type(error).__name__}: {first})")

    def close(self) -> None:
        if self._ours:
            self._ray.shutdown()

"""Structured logs on standard error: one JSON object per line, and nothing in it that a caller or provider wrote.

Credentials leak through error paths: an exception's message holds the URL, a library's debug line the headers, a
traceback the arguments. So what is logged is chosen, never what is left out: our own lines have an event name and
fields out of a fixed list; of an exception only its type and the places in the code it passed are written; of other
libraries' lines only who, where and how severe (of golddiff's other parts, what they say before anything is filled in).
That holds at every level, DEBUG included, and for exceptions that nobody caught.

One event is written at most 20 times a second; the next line says how many were left out. Not covered: what another
program in the same process writes to standard error by itself.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import msgspec

from golddiff.rights import redact_text

FIELDS = frozenset(
    (
        "attempt", "bytes", "call_id", "count", "deadline_ms", "dropped", "duration_ms", "ending", "exit_code", "host",
        "in_flight", "key_id", "keys", "limit", "method", "pid", "port", "protocol", "reason", "request_id", "route",
        "seconds", "signal", "state", "status", "upstream", "version", "worker", "workers",
    )
)  # fmt: skip
"""Names a line may use. None of them may hold a header, a body, a query, a model name or an exception's message."""
MAX_TEXT = 200
"""Characters of the longest text field."""
PER_SECOND = 20
"""Lines of one event per second."""
_ROOT = "golddiff.gateway"
_MAX_FRAMES = 30


Field = str | int | float | bool | None
"""What a field of a line may be."""


class Log:
    """Writes our own lines: `log.info("upstream_failed", upstream="main", error=error)`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    @property
    def tells_all(self) -> bool:
        """Whether debug lines are written: ask before making one for every request."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, event: str, *, error: BaseException | None = None, **fields: Field) -> None:
        """Log what only helps to find a fault."""
        self._write(logging.DEBUG, event, error, fields)

    def info(self, event: str, *, error: BaseException | None = None, **fields: Field) -> None:
        """Log a change of state."""
        self._write(logging.INFO, event, error, fields)

    def warning(self, event: str, *, error: BaseException | None = None, **fields: Field) -> None:
        """Log something that an operator should look at some day."""
        self._write(logging.WARNING, event, error, fields)

    def error(self, event: str, *, error: BaseException | None = None, **fields: Field) -> None:
        """Log something that an operator should look at now."""
        self._write(logging.ERROR, event, error, fields)

    def _write(self, level: int, event: str, error: BaseException | None, fields: dict[str, Any]) -> None:
        if unknown := fields.keys() - FIELDS:
            raise TypeError(f"log fields {sorted(unknown)} are not in logs.FIELDS: add them there if they are harmless")
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={"golddiff": (event, error, fields)})


def get(name: str = "") -> Log:
    """Return the log of one part of the gateway; nothing is written before `install`."""
    return Log(logging.getLogger(f"{_ROOT}.{name}" if name else _ROOT))


class _Lines(logging.Formatter):
    """A record → one line of JSON."""

    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if self._worker is not None:
            line["worker"] = self._worker
        error: BaseException | None
        own = getattr(record, "golddiff", None)
        if own is not None:
            line["event"], error, fields = own
            line |= {name: _plain(value) for name, value in fields.items()}
        else:  # another library's: its text may hold anything
            error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
            line |= {"event": "library", "logger": record.name[:MAX_TEXT], "at": f"{record.module}:{record.lineno}"}
            if record.name.startswith("golddiff.") and isinstance(record.msg, str):
                line["says"] = _plain(record.msg)  # as it stands in our code, without what it would be filled with
        if error is not None:
            line["error"] = described(error)
        if suppressed := getattr(record, "suppressed", 0):
            line["suppressed"] = suppressed
        return msgspec.json.encode(line).decode()


class _Throttle(logging.Filter):
    """Lets at most so many lines of one event through per second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._second = -1
        self._seen: dict[tuple[str, str], int] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._seen = second, {}
        own = getattr(record, "golddiff", None)
        event = (record.name, own[0] if own else f"{record.module}:{record.lineno}")
        seen = self._seen.get(event, 0)
        self._seen[event] = seen + 1
        if seen >= PER_SECOND:
            self._left_out[event] = self._left_out.get(event, 0) + 1
            return False
        record.suppressed = self._left_out.pop(event, 0)
        return True


def install(
    level: str = "info",
    *,
    worker: int | None = None,
    stream: TextIO | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Send every log line and every uncaught exception of this process through this module, to `stream`.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        worker: number of the worker, written on every line.
        stream: None: standard error.
        monotonic: seconds, for the limit per second.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(worker))
    handler.addFilter(_Throttle(monotonic))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, logger in list(logging.root.manager.loggerDict.items()):  # what libraries set up for themselves
        if isinstance(logger, logging.Logger) and logger.handlers:
            logging.getLogger(name).handlers[:] = []
            logger.propagate = True
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # else a line that cannot be written prints its arguments
    log = get()

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            log.error("uncaught", error=error)

    sys.excepthook = uncaught
    threading.excepthook = lambda args: log.error("uncaught_in_thread", error=args.exc_value)
    sys.unraisablehook = lambda args: log.error("unraisable", error=args.exc_value)


def loop_handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that nobody awaited: for `loop.set_exception_handler`."""
    error = context.get("exception")
    get("loop").error("uncaught_in_loop", error=error if isinstance(error, BaseException) else None)


def described(error: BaseException) -> dict[str, Any]:
    """Return an exception's types (causes included) and the places it passed; never its message or arguments."""
    kinds: list[str] = []
    current: BaseException | None = error
    while current is not None and len(kinds) < 8:
        kinds.append(type(current).__name__)
        current = current.__cause__ or current.__context__
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    number = error.errno if isinstance(error, OSError) else None
    return {"kind": kinds[0], "because": kinds[1:], "errno": number, "at": frames[-_MAX_FRAMES:]}


def _plain(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(redact_text(str(value)[:MAX_TEXT]))

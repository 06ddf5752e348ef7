"""What the events of either generation are turned with: the log, the calls that wait, and what the header needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter

import msgspec

from golddiff.record.importers.call_log import CallLog
from golddiff.record.importers.event_log import EventLog
from golddiff.types import Usage


class OpenHandsEvents(ABC):
    """Fills a log with the events of one session."""

    def __init__(self, log: EventLog) -> None:
        self.model: str | None = None
        self.cwd: str | None = None
        self.speaks = False
        self.skipped: Counter[str] = Counter()
        self.total: Usage | None = None
        """Tokens so far as the client sums them up; used where no response states its own."""
        self._log = log
        self._calls = CallLog(log)

    @abstractmethod
    def event(self, raw: msgspec.Raw) -> None:
        """Take in one event; one of another shape is counted."""

"""From calls to the payload of a frame: redacted, and each without what the request before it holds.

How it fits: `recorder` adds calls as long as there `has_room` and takes their frame, from whichever thread has the
turn (never two at once), and says when a segment begins. What is kept between calls is bounded: the recent requests of
`conversations` and the current group of `groups`.
"""

from __future__ import annotations

from collections.abc import Mapping

from golddiff.errors import RightsError
from golddiff.record.capture import RawCall
from golddiff.record.spool.clean import Remembered, clean_call, request_of
from golddiff.record.spool.conversations import Conversations, starts_of
from golddiff.record.spool.groups import GroupWriter


class Encoder:
    """Makes the frames of one recorder's calls.

    `memory_bytes` bounds the recent requests that are kept, `window_bytes` what a reader has to keep, `most_bytes` a
    frame, by less than a call; `secrets` (secret → kind) are hidden wherever they stand.
    """

    def __init__(self, memory_bytes: int, window_bytes: int, most_bytes: int, secrets: Mapping[str, str]) -> None:
        self._most_bytes = most_bytes
        self._conversations = Conversations(memory_bytes)
        self._groups = GroupWriter(window_bytes)
        self._secrets = dict(secrets)
        self._remembered: Remembered = {}
        self._number = 0
        self.counts = dict.fromkeys(["body_bytes", "scanned_bytes", "left_out_bodies"], 0)
        """Bytes that came, bytes of requests that were scanned for secrets, bodies that could not be. A call that
        is encoded again counts again."""

    @property
    def history_bytes(self) -> int:
        """Memory that the recent requests take, about."""
        return self._conversations.size_bytes

    def start_segment(self) -> None:
        """A new segment begins: the next frame needs none before it."""
        self._groups.start()

    @property
    def has_room(self) -> bool:
        """Whether the frame may take another call."""
        groups = self._groups
        return not groups.frame_calls or not (groups.is_full or groups.frame_bytes >= self._most_bytes)

    @property
    def frame_bytes(self) -> int:
        """Bytes of the frame so far, before they are compressed."""
        return self._groups.frame_bytes

    def add(self, raw: RawCall) -> None:
        """Add a call to the frame.

        Raises RightsError where redaction fails; whatever is raised, nothing of that call is kept, and others can be
        added where there `has_room`.
        """
        before = self._groups.frame_calls
        try:
            self._add(raw)
        except RightsError:
            raise
        except Exception:  # a fault of our own, perhaps in the middle of a record: no later one may go on from it
            self._groups.forget(before)
            raise

    def frame(self) -> tuple[int, bytes]:
        """Return (kind, payload) of the frame of the calls that were added. What is raised loses all of them."""
        try:
            return self._groups.frame()
        except Exception:
            self._groups.forget()
            raise

    def _add(self, raw: RawCall) -> None:
        left_out: list[str] = []
        body = request_of(raw, left_out)
        starts = starts_of(body, raw.key_id)
        previous = self._conversations.find(body, starts)
        self._number += 1
        before = previous.scanned if previous else None
        call = clean_call(raw, body, before, self._number, left_out, self._secrets, self._remembered)
        counts = self.counts
        counts["body_bytes"] += len(raw.request_body) + len(raw.response_body)
        counts["scanned_bytes"] += call.request.scanned_bytes
        counts["left_out_bodies"] += len(left_out)
        groups = self._groups
        if groups.is_full:
            groups.start()
        groups.add(call, self._conversations.add(call.request, starts, previous), previous)

"""A queue in front of the engine: requests that arrive while it is busy are answered together.

One thread owns the engine. It takes what is waiting (up to `MAX_WAITING_BATCH`), after a pause of `LINGER_SEC` for
company that is on its way, and decodes it as one batch; on a few cores a batch of 32 takes hardly longer than one
request. Answers to shorter limits are cut from the common run.

Not covered: joining a batch that is already running (continuous batching), which the GPU engines do.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from golddiff.serve.engines.contract import Engine

MAX_WAITING_BATCH = 32
LINGER_SEC = 0.005
"""Longest wait for company: far below the time of one answer, so a lone request does not notice."""


@dataclass
class _Request:
    prompt: list[int]
    max_tokens: int
    answer: Future[list[int]] = field(default_factory=Future)


class Batcher:
    """Answers `submit`ted prompts in batches; close it to stop its thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.Queue[_Request | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="golddiff-batcher", daemon=True)
        self._thread.start()

    def submit(self, prompt: list[int], max_tokens: int) -> Future[list[int]]:
        """Return the future answer to one prompt; it fails with whatever the engine raised."""
        request = _Request(prompt, max_tokens)
        self._waiting.put(request)
        return request.answer

    def close(self) -> None:
        """Answer what is waiting, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, stop = self._gather(first)
            running = [request for request in batch if request.answer.set_running_or_notify_cancel()]
            if running:
                self._answer(running)
            if stop:
                return

    def _gather(self, first: _Request) -> tuple[list[_Request], bool]:
        batch = [first]
        deadline = time.monotonic() + LINGER_SEC
        while len(batch) < MAX_WAITING_BATCH:
            try:
                request = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if request is None:
                return batch, True
            batch.append(request)
        return batch, False

    def _answer(self, batch: list[_Request]) -> None:
        try:
            limit = max(request.max_tokens for request in batch)
            answers = self._engine.generate([request.prompt for request in batch], limit)
        except Exception as error:  # the thread must outlive a bad batch; the callers get the error
            for request in batch:
                request.answer.set_exception(error)
            return
        for request, answer in zip(batch, answers, strict=True):
            request.answer.set_result(answer[: request.max_tokens])

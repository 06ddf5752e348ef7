"""Client of any OpenAI-compatible `/v1/chat/completions`: teachers, vLLM, and `golddiff serve` itself.

A thin layer over `httpx` (the official client brings far more than one endpoint needs). Requests of a batch run side by
side on a few threads, so that a server that batches can batch. Connection errors, 429 and 5xx are retried with
exponential back-off, honouring Retry-After; anything else raises at once.

Not covered: likelihoods (chat APIs do not give those of a text we choose) and streaming.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec

from golddiff.errors import UpstreamError
from golddiff.providers.upstream import Completion, Conversation, ScoredPair

_RETRIED = {408, 409, 429, 500, 502, 503, 504}
_SAID_CHARACTERS = 200
_CUT_WORD = re.compile(r"[\w+/=.~-]+$")


class _Reply(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Reply
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


class ChatConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a model."""

    base_url: str
    """URL up to and including the version, such as `http://127.0.0.1:8000/v1`."""
    model: str
    """Model name as the server knows it."""
    api_key: str | None = None
    """Sent as a bearer token; None sends none."""
    concurrency: int = 8
    """Requests in flight at once."""
    timeout_sec: float = 120.0
    """Time to wait for one answer."""
    attempts: int = 4
    """Tries per request, the first included."""


class ChatClient:
    """An upstream behind a URL; greedy (`temperature` 0)."""

    def __init__(
        self,
        config: ChatConfig,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._client = httpx.Client(
            base_url=config.base_url, timeout=config.timeout_sec, headers=headers, transport=transport
        )
        self._config = config
        self._sleep = sleep

    @property
    def name(self) -> str:
        """The model's name at the server."""
        return self._config.model

    def complete(self, batch: Sequence[Conversation], max_tokens: int) -> list[Completion]:
        """Answer every conversation, in the order given. Raises `UpstreamError` when one of them stays unanswered."""
        with ThreadPoolExecutor(self._config.concurrency) as pool:
            return list(pool.map(lambda conversation: self._ask(conversation, max_tokens), batch))

    def loglikelihood(self, pairs: Sequence[ScoredPair]) -> list[tuple[float, int]]:
        """Raise `UpstreamError`: a chat API does not tell the likelihood of a given text."""
        raise UpstreamError(
            f"{self.name} at {self._config.base_url} is a chat API, which gives no likelihood of a given text. "
            "Evaluate a local checkpoint for that figure."
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, conversation: Conversation, max_tokens: int) -> Completion:
        body = {
            "model": self._config.model,
            "messages": [{"role": message.role, "content": message.content} for message in conversation],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        response = self._post(body)
        try:
            answer = msgspec.json.decode(response.content, type=_Answer)
            choice = answer.choices[0]
        except (msgspec.DecodeError, IndexError) as error:
            raise UpstreamError(
                f"{self._config.base_url} answered something that is no chat completion ({error}): "
                f"{self._said(response.text)!r}. Is this the URL of an OpenAI-compatible API, ending in /v1?"
            ) from error
        usage = answer.usage or _Usage()
        return Completion(
            text=choice.message.content or "",
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
        )

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        problem = ""
        for attempt in range(self._config.attempts):
            delay = min(8.0, 0.5 * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311  (spreads retries, no secret)
            try:
                response = self._client.post("/chat/completions", json=body)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {self._said(str(error))}"
            else:
                if response.is_success:
                    return response
                problem = f"HTTP {response.status_code}: {self._said(response.text)}"
                if response.status_code not in _RETRIED:
                    break
                after = response.headers.get("retry-after", "")
                delay = min(60.0, float(after)) if after.isdecimal() else delay
            if attempt + 1 < self._config.attempts:
                self._sleep(delay)
        raise UpstreamError(
            f"{self._config.model} at {self._config.base_url} did not answer ({problem}). "
            "Check the URL, the model's name and the key, then run again."
        )

    def _said(self, text: str) -> str:
        """Return the beginning of what a server said, without our key, which some repeat.

        It is cut between words: half a secret is one that redaction may no longer recognise.
        """
        text = text.replace(key, "[key]") if (key := (self._config.api_key or "").strip()) else text
        return text if len(text) <= _SAID_CHARACTERS else _CUT_WORD.sub("", text[:_SAID_CHARACTERS]) + "…"

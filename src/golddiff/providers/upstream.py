"""The one boundary behind which a model answers: teacher, base and student look the same to `evaluate`.

Implementations: `providers.chat_client.ChatClient` (any OpenAI-compatible URL), `serve.local.LocalUpstream` (the engine
that `golddiff serve` runs, in this process), `providers.scripted.ScriptedUpstream` (a fake, for tests and simulated
teachers). None of them needs torch.

Not covered: streaming to a user (`serve.app`) and tool calls; edits are single answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from golddiff.types import Message

Conversation: TypeAlias = Sequence[Message]
"""Messages in order; the model writes the next assistant message."""

ScoredPair: TypeAlias = tuple[Conversation, str]
"""A conversation and the text whose likelihood as its answer is asked. No messages: the text as a bare document.

A conversation that ends with an assistant message asks for the text as the *continuation* of that answer: the message
is given, not scored.
"""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One answer."""

    text: str
    """What the model wrote, without markers of its chat format."""
    finish_reason: str
    """`stop` (it ended by itself) or `length` (it met the limit of tokens)."""
    prompt_tokens: int = 0
    """Tokens of the rendered conversation; 0 where the provider does not say."""
    completion_tokens: int = 0
    """Tokens generated; 0 where the provider does not say."""


@runtime_checkable
class Upstream(Protocol):
    """A model that answers batches of conversations greedily (the same request gives the same answer)."""

    @property
    def name(self) -> str:
        """Model name or checkpoint id, for reports."""
        ...

    def complete(self, batch: Sequence[Conversation], max_tokens: int) -> list[Completion]:
        """Answer every conversation, in the order given.

        Limits: greedy decoding; the implementation batches as it likes. An answer cut at `max_tokens` is returned with
        `finish_reason="length"`.

        Raises:
            UpstreamError: the model could not be reached or answered something unusable. Never a score of 0.
        """
        ...

    def loglikelihood(self, pairs: Sequence[ScoredPair]) -> list[tuple[float, int]]:
        """Return `(sum_nll, n_tokens)` per pair: negative log-likelihood in nats, summed over the text's tokens.

        The marker that ends an answer is not scored, and neither is the conversation.

        Raises:
            UpstreamError: this model gives no likelihoods (chat APIs do not).
        """
        ...

"""The engine that `golddiff serve` runs, as an `Upstream` in this process: evaluate what you ship.

The same renderer and the same engine weights as behind `/v1/chat/completions`; only HTTP is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from golddiff.errors import UpstreamError
from golddiff.models.export import engine_folder
from golddiff.models.folder import Manifest, read_engine_manifest
from golddiff.models.renderer import Renderer, load_renderer
from golddiff.providers.upstream import Completion, Conversation, ScoredPair
from golddiff.serve.engines.contract import Engine


class LocalUpstream:
    """A model on this machine. Answers greedily; likelihoods are those of the engine's weights."""

    def __init__(self, manifest: Manifest, renderer: Renderer, engine: Engine) -> None:
        self.manifest = manifest
        self.renderer = renderer
        self.engine = engine

    @property
    def name(self) -> str:
        """Checkpoint id or model name."""
        return self.manifest.name

    def complete(self, batch: Sequence[Conversation], max_tokens: int) -> list[Completion]:
        """See `Upstream.complete`. Raises `UpstreamError` where a conversation is longer than the model's context."""
        prompts = [self.prompt(conversation) for conversation in batch]
        answers = self.engine.generate(prompts, max_tokens) if prompts else []
        return [
            Completion(
                text=self.renderer.text(answer),
                finish_reason="length" if len(answer) >= max_tokens else "stop",
                prompt_tokens=len(prompt),
                completion_tokens=len(answer),
            )
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def loglikelihood(self, pairs: Sequence[ScoredPair]) -> list[tuple[float, int]]:
        """See `Upstream.loglikelihood`."""
        scored: list[tuple[list[int], list[int]]] = []
        for conversation, text in pairs:
            if conversation and conversation[-1].role == "assistant":
                given = conversation[-1].content
                begun = len(self.renderer.answer(given)) - 1
                answer = self.renderer.answer(given + text)[:-1]
                scored.append(([*self.prompt(conversation[:-1]), *answer[:begun]], answer[begun:]))
            elif conversation:
                scored.append((self.prompt(conversation), self.renderer.answer(text)[:-1]))
            else:
                scored.append(self.renderer.document(text))
        sums = self.engine.score(scored) if scored else []
        return [(-total, len(tokens)) for total, (_, tokens) in zip(sums, scored, strict=True)]

    def prompt(self, conversation: Conversation) -> list[int]:
        """Return the conversation's tokens. Raises `UpstreamError` where they leave no room for an answer."""
        tokens = self.renderer.prompt(conversation)
        limit = self.manifest.context_tokens
        if limit and len(tokens) >= limit:
            raise UpstreamError(
                f"the conversation has {len(tokens)} tokens, and {self.name} was made for {limit} with the answer. "
                "Give a shorter window or fewer examples."
            )
        return tokens


def open_local(
    folder: Path, cache: Path, *, threads: int = 0, workers: int = 1, say: Callable[[str], None] = lambda _: None
) -> LocalUpstream:
    """Return the model or engine in `folder` ready to answer; converts it first where the cache has no engine.

    `workers` groups of a batch are answered at a time, with `threads` each (0: the engine's choice).

    Raises:
        ModelError: the folder holds no usable model, or it cannot run here.
    """
    from golddiff.serve.engines.ctranslate2 import Ctranslate2Engine

    engine = engine_folder(folder, cache, say=say)
    manifest = read_engine_manifest(engine)
    renderer = load_renderer(engine, manifest.renderer)
    loaded = Ctranslate2Engine(engine, end_id=renderer.end_id, threads=threads, workers=workers)
    return LocalUpstream(manifest, renderer, loaded)


def open_for_batches(folder: Path, cache: Path, *, say: Callable[[str], None] = lambda _: None) -> LocalUpstream:
    """Like `open_local`, for many questions at a time: a worker with one thread on every core of this process."""
    return open_local(folder, cache, threads=1, workers=os.cpu_count() or 1, say=say)


@dataclass(frozen=True)
class LocalOpener:
    """Opens a model for many questions at a time, here or on a worker that sees the same folders."""

    name: str
    """Checkpoint id or model name."""
    folder: Path
    cache: Path
    cores: int = 0
    """Cores that answer; 0: all of the machine."""

    def open(self) -> LocalUpstream:
        """Return the model. Raises ModelError as `open_local` does."""
        return open_local(self.folder, self.cache, threads=1, workers=self.cores or os.cpu_count() or 1)

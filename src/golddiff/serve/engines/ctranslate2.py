"""The default engine: CTranslate2 on the CPU, float32 weights (why: `models.export`), without torch or transformers.

Batches are sorted by length and cut into groups of at most `MAX_BATCH`, so that little of the work is padding.
Several groups are decoded side by side with one thread each (`workers`): threads that share one small product wait for
each other most of the time. Likelihoods come from the same weights (`score_batch`), so they are those of the model
that is shipped.

Measured on 2 cores with SmolLM2-135M: see docs/benchmarks.md.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from golddiff.errors import ModelError

MAX_BATCH = 32
"""Sequences decoded together at most: more adds latency and little throughput on a few cores."""
MIN_BATCH = 8
"""Fewer are not spread over workers: each of them would read all weights for little work."""
SCORED_TOKENS = 1024
"""Tokens that a worker scores together: each needs a row of the vocabulary's size in memory."""


class Ctranslate2Engine:
    """An engine folder (see `models.export`) made ready to run."""

    def __init__(self, folder: Path, *, end_id: int, threads: int = 0, workers: int = 1) -> None:
        """Load the engine: `workers` groups at a time with `threads` each (0: the engine's choice), one set of weights.

        Raises `ModelError` where it cannot be loaded.
        """
        if platform.machine() in ("x86_64", "AMD64"):
            # CTranslate2 takes MKL on Intel's processors only; on an AMD EPYC (AVX2) its float32 products with MKL cost
            # 15 CPU-seconds where oneDNN's cost 28 (32 prompts of 60 tokens, 24 new tokens each, same machine).
            os.environ.setdefault("CT2_USE_MKL", "1")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # ctranslate2 imports pkg_resources
                import ctranslate2
            from tokenizers import Tokenizer
        except ModuleNotFoundError as missing:
            raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[serve]'") from missing
        try:
            self._generator: Any = ctranslate2.Generator(
                str(folder), device="cpu", compute_type="default", inter_threads=workers, intra_threads=threads
            )
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # both libraries raise bare exceptions
            raise ModelError(
                f"the engine in {folder} cannot be loaded: {error}. Delete that folder and run again."
            ) from error
        self._names = [tokenizer.id_to_token(index) or "" for index in range(tokenizer.get_vocab_size())]
        self._end_id = end_id
        self._workers = workers

    def generate(self, prompts: Sequence[Sequence[int]], max_tokens: int) -> list[list[int]]:
        """See `Engine.generate`."""
        results = self._generator.generate_batch(
            [self._tokens(prompt) for prompt in prompts],
            max_batch_size=max(MIN_BATCH, min(MAX_BATCH, -(-len(prompts) // self._workers))),
            max_length=max_tokens,
            include_prompt_in_result=False,
            end_token=[self._end_id],
        )
        return [list(result.sequences_ids[0]) for result in results]

    def stream(self, prompt: Sequence[int], max_tokens: int) -> Iterator[int]:
        """See `Engine.stream`."""
        steps = self._generator.generate_tokens(self._tokens(prompt), max_length=max_tokens, end_token=[self._end_id])
        for step in steps:
            if step.token_id != self._end_id:
                yield int(step.token_id)

    def score(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
        """See `Engine.score`. A context must hold at least one token."""
        # By tokens: every one of them gets a row of logits over the whole vocabulary (200 KB for 49,152 words).
        results = self._generator.score_batch(
            [self._tokens([*context, *continuation]) for context, continuation in pairs],
            max_batch_size=SCORED_TOKENS,
            batch_type="tokens",
        )
        # log_probs[i] is the probability of token i + 1: there is none for the first token.
        return [
            float(sum(result.log_probs[len(context) - 1 :]))
            for (context, _), result in zip(pairs, results, strict=True)
        ]

    def _tokens(self, ids: Sequence[int]) -> list[str]:
        return [self._names[index] for index in ids]

"""Settings of recipe R1. Unknown keys are errors that name the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from golddiff.errors import ConfigError


class R1Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Format-first supervised fine-tuning on accepted diffs (science.md, section A, R1).

    The defaults are for a 100M-parameter student on a few CPU cores; their measurements: docs/benchmarks.md, training.
    """

    renderer: str = "blocks"
    """`blocks` (one special token per turn) or `chat` (the model's own template)."""
    epochs: Annotated[int, Meta(ge=1)] = 1
    """Passes over the rows. New rows teach more than a second pass; raise it only below some 300 rows."""
    learning_rate: Annotated[float, Meta(gt=0)] = 5e-4
    """Peak of AdamW's rate. Larger models want less (1e-4 at 500M, 2e-5 at 7B)."""
    warmup_share: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    """Share of the steps in which the rate rises linearly to its peak; it then falls linearly to 0."""
    sequences_per_step: Annotated[int, Meta(ge=1)] = 2
    """Packed sequences per optimiser step."""
    prompt_tokens: Annotated[int, Meta(ge=8)] = 160
    """Room for prompts in a packed sequence. Rows that do not fit are left out and counted."""
    answer_tokens: Annotated[int, Meta(ge=8)] = 112
    """Room for answers in a packed sequence. Best near the data's own ratio of answer to prompt."""
    prompt_gradient: bool = True
    """Whether the gradient also flows through the reading of the prompt. False saves some 40 % of the work per row and
    learns less from each (docs/benchmarks.md, training)."""
    max_rows: Annotated[int, Meta(ge=0)] = 0
    """Rows to train on, drawn by the seed; 0 means all."""
    trained_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    """Share of the layers that are trained, the topmost ones. Those below need no backward pass: half of them saves a
    third of the work per row. Embeddings and output projection always stay frozen."""
    replay_tokens: Annotated[int, Meta(ge=0)] = 192
    """Tokens of one piece of replayed text, on which the student is held to the base's predictions; 0 for no replay."""
    replay_every: Annotated[int, Meta(ge=1)] = 1
    """Steps from one replayed piece to the next."""
    replay_weight: Annotated[float, Meta(ge=0)] = 1.0
    """Weight of the divergence (nats per token) beside the loss of the answers."""
    weight_decay: Annotated[float, Meta(ge=0)] = 0.0
    """AdamW's decoupled weight decay."""
    clip_norm: Annotated[float, Meta(gt=0)] = 1.0
    """Gradients are scaled down to this global norm."""
    seed: int = 0
    """Seed of the row order; equal seeds give equal weights on one machine with one number of threads."""
    save_every_sec: Annotated[float, Meta(ge=0)] = 120.0
    """Time between saved states, from which a killed run continues; 0 saves after every step."""


def config_from(values: Mapping[str, object]) -> R1Config:
    """Build the config from `key: value`; strings are read as numbers where a number is wanted.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or range.
    """
    known = R1Config.__struct_fields__
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}."
            raise ConfigError(f"recipe r1 has no setting `{key}`; {hint}")
    try:
        return msgspec.convert(dict(values), R1Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"recipe r1: {error}. `golddiff train --help` lists the settings.") from error

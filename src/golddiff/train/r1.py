"""Recipe R1: format-first supervised fine-tuning on accepted diffs. Reads top to bottom.

    rows → tokens → packed sequences of one shape → AdamW on the answer tokens' loss → weights

Choices, each measured on 2 CPU cores (docs/benchmarks.md, training) or taken from science.md, section A:
- Loss on answers only, and the vocabulary projection (a fifth of a 135M model's work) for answer tokens only.
- Prompt and answer are two passes, the second on top of the first one's keys and values: every shape stays constant,
  and the first pass can go without gradient (`prompt_gradient`), which is cheaper per row and learns less from it.
- Every step has one shape: rows are packed into prompt parts and answer parts of fixed length.
- Only the topmost half of the layers learns (`trained_share`): a third less work per row for 70 instead of 73 of 150
  held-out edits right, so at equal time it sees half as many rows again. Embeddings and output projection stay frozen.
- What the base knew is replayed (`replay`): without it, a narrow student reads other code much worse than its base.
- fp32 weights; bf16 autocast where the machine multiplies bf16 natively (`precision`).
- A run that was stopped or killed continues from its last saved state and ends with the same weights.

Shapes: B sequences per step, P prompt tokens, A answer tokens, S = P + A keys, D hidden width, V vocabulary.

Not covered: several devices, models that scale or cap their logits, adapters.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golddiff.errors import InputError, ModelError
from golddiff.models.load import load_for_training
from golddiff.train.config import R1Config
from golddiff.train.packing import IGNORED, Packed, Part, Row, answer_mask, pack, prompt_mask
from golddiff.train.precision import cpu_has_bf16
from golddiff.train.replay import Anchor, pieces
from golddiff.train.state import FILE_NAME, Progress, load_state, save_state


@dataclass(frozen=True)
class Tick:
    """What a progress display wants to know after each step."""

    step: int
    steps: int
    loss: float
    tokens: int
    seconds: float
    resumed_at: int
    """Step that this sitting began with."""


@dataclass(frozen=True)
class Result:
    """A finished run; `model` is the trained torch module."""

    model: Any
    losses: list[float]
    """Mean loss of each step, nats per answer token."""
    tokens: int
    """Tokens seen, padding not counted."""
    seconds: float
    """Time spent in steps, over all sittings."""


def train(
    rows: Sequence[Row],
    base: Path,
    config: R1Config,
    *,
    replay: Sequence[Sequence[int]] = (),
    key: str,
    state_folder: Path,
    report: Callable[[Tick], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Fine-tune the model in `base` on `rows`. `key` names everything that shapes the result (see `state`).

    `replay` are streams of tokens that are replayed in turn; without any, or with `replay_tokens = 0`, nothing is.

    When `stop` turns true, the state is saved and `KeyboardInterrupt` raised.

    Raises:
        InputError: no row fits.
        ModelError: the model cannot be trained by this recipe.
        WorkspaceError: the state cannot be saved.
    """
    import torch
    from torch.nn.functional import cross_entropy

    # The data: which rows meet in which step is fixed here, by the seed alone.
    steps = plan(rows, config)

    # The model.
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = load_for_training(base, device)
    trained = choose_trained(model, config.trained_share)
    project = model.get_output_embeddings()
    bf16 = device.type == "cuda" or cpu_has_bf16()
    autocast: Callable[[], Any] = contextlib.nullcontext
    if bf16:
        autocast = lambda: torch.autocast(device.type, dtype=torch.bfloat16)  # noqa: E731

    def inputs(part: Part) -> dict[str, torch.Tensor]:
        tensors = {"input_ids": part.tokens_NL, "position_ids": part.positions_NL}
        return {name: torch.from_numpy(array).to(device) for name, array in tensors.items()}

    def mask(allowed: NDArray[np.bool_]) -> torch.Tensor:
        return torch.from_numpy(allowed).to(device)

    replayed = [pieces(stream, config.replay_tokens, config.seed) for stream in replay if config.replay_tokens]
    anchor = Anchor(model) if replayed else None

    optimizer = torch.optim.AdamW(
        trained.values(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    done = load_state(state_folder, key, trained, optimizer) or Progress(0, [], 0, 0.0)
    losses, tokens, seconds, saved_at = list(done.losses), done.tokens, done.seconds, time.monotonic()

    for step in range(done.step, len(steps)):
        began = time.monotonic()
        batch = steps[step]
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate(step, len(steps), config.warmup_share)

        with autocast():
            with torch.set_grad_enabled(config.prompt_gradient):
                prompt = model.base_model(
                    **inputs(batch.prompts), attention_mask=mask(prompt_mask(batch.prompts)), use_cache=True
                )
            hidden_BAD = model.base_model(
                **inputs(batch.answers),
                attention_mask=mask(answer_mask(batch)),
                past_key_values=prompt.past_key_values,
                use_cache=True,
            ).last_hidden_state
            logits_BAV = project(hidden_BAD)
        labels_BA = torch.from_numpy(batch.labels_NA).to(device)
        loss = cross_entropy(logits_BAV.float().flatten(0, 1), labels_BA.flatten(), ignore_index=IGNORED)
        loss.backward()  # type: ignore[no-untyped-call]
        if anchor is not None and step % config.replay_every == 0:
            turn, which = divmod(step // config.replay_every, len(replayed))
            piece_1L = torch.from_numpy(replayed[which][[turn % len(replayed[which])]]).to(device)
            with autocast():
                (config.replay_weight * anchor.drift(piece_1L)).backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

        losses.append(loss.item())
        tokens += batch.token_count
        seconds += time.monotonic() - began
        report(Tick(step + 1, len(steps), losses[-1], tokens, seconds, done.step))
        stopping = stop()
        if stopping or time.monotonic() - saved_at >= config.save_every_sec:
            save_state(state_folder, key, Progress(step + 1, losses, tokens, seconds), trained, optimizer)
            saved_at = time.monotonic()
        if stopping:
            raise KeyboardInterrupt
    return Result(model, losses, tokens, seconds)


def forget_state(state_folder: Path) -> None:
    """Delete the saved state of a finished run."""
    (state_folder / FILE_NAME).unlink(missing_ok=True)


def plan(rows: Sequence[Row], config: R1Config) -> list[Packed]:
    """Return the batches of the whole run, one per step, all of one shape.

    Raises:
        InputError: no row fits.
    """
    fitting = [row for row in rows if row.fits(config.prompt_tokens, config.answer_tokens)]
    if not fitting:
        raise InputError(
            f"none of the {len(rows)} rows fits prompt_tokens = {config.prompt_tokens} and answer_tokens = "
            f"{config.answer_tokens}. Raise them, or curate shorter windows."
        )
    order = np.random.default_rng(config.seed)
    chosen = order.permutation(len(fitting))[: config.max_rows or None]
    size = config.sequences_per_step
    steps: list[Packed] = []
    for _ in range(config.epochs):
        shuffled = [fitting[index] for index in order.permutation(chosen)]
        packed = pack(shuffled, config.prompt_tokens, config.answer_tokens, multiple_of=size)
        steps += [packed[start : start + size] for start in range(0, len(packed), size)]
    return steps


def rate(step: int, steps: int, warmup_share: float) -> float:
    """Share of the peak learning rate at `step`: linear warm-up, then linear decay that would reach 0 after the end."""
    warmup = max(1, round(warmup_share * steps))
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup + 1))


def choose_trained(model: Any, share: float) -> dict[str, Any]:
    """Freeze all but the topmost `share` of the layers (at least one) and the final norm; return these by name."""
    for setting in ("final_logit_softcapping", "logits_scaling", "logit_scale"):
        if getattr(model.config, setting, None) not in (None, 1, 1.0):
            raise ModelError(
                f"this model sets {setting}, which recipe r1 does not cover. Use a Llama- or Qwen-like model."
            )
    layers, norm = (getattr(model.base_model, name, None) for name in ("layers", "norm"))
    if layers is None or norm is None:
        raise ModelError(f"{type(model).__name__} is not built like Llama or Qwen, which recipe r1 needs.")
    model.requires_grad_(False)
    norm.requires_grad_(True)
    for layer in layers[-max(1, round(share * len(layers))) :]:
        layer.requires_grad_(True)
    return {name: value for name, value in model.named_parameters() if value.requires_grad}

"""How fast the default student trains and answers, beside the plain way of doing both, in one run.

    python -m bench.student [--model smollm2-135m] [--steps 4] [--json]

Rows have a house-style edit's size (27 prompt tokens, 19 answer tokens, random). Training: recipe R1 beside the loop
that most tutorials show (every layer, the vocabulary projection for every token), in tokens without padding per second,
the first step left out. Decoding: the serving engine (CTranslate2, float32) beside transformers' `generate`, 64 new
tokens for each of 32 prompts. Whatever else runs on the machine slows all of them; the ratios suffer less.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from golddiff import config
from golddiff.models import find_model
from golddiff.models.load import load_for_training
from golddiff.serve import open_for_batches, open_local
from golddiff.train.config import R1Config
from golddiff.train.packing import Row
from golddiff.train.precision import cpu_has_bf16
from golddiff.train.r1 import Tick, train

SETTINGS = {
    "recipe R1": R1Config(),
    "R1 without replay": R1Config(replay_tokens=0),
    "R1, all layers": R1Config(trained_share=1.0),
}
PROMPT, ANSWER, BATCH, NEW = 27, 19, 32, 64


def random_rows(count: int) -> list[Row]:
    rng = np.random.default_rng(0)
    return [Row(rng.integers(99, 9999, PROMPT).tolist(), rng.integers(99, 9999, ANSWER).tolist()) for _ in range(count)]


def training(model: Path, settings: R1Config, steps: int) -> float:
    """Tokens per second of the recipe."""
    ticks: list[Tick] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            random_rows(steps * 11),
            model,
            settings,
            replay=[np.random.default_rng(1).integers(99, 9999, 9999).tolist()],
            key="bench",
            state_folder=Path(folder),
            report=ticks.append,
        )
    first, last = ticks[0], ticks[-1]
    return (last.tokens - first.tokens) / (last.seconds - first.seconds)


def plain_training(folder: Path, steps: int, rows_per_step: int = 11) -> float:
    """Tokens per second of the usual loop: rows of one length, so it has no padding to pay for here."""
    model: Any = load_for_training(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    rows = random_rows(steps * rows_per_step)
    began = count = 0.0
    for step in range(steps):
        if step == 1:
            began = time.monotonic()
        batch = torch.tensor(
            [row.prompt + row.answer for row in rows[step * rows_per_step : (step + 1) * rows_per_step]]
        )
        labels = batch.clone()
        labels[:, :PROMPT] = -100
        model(input_ids=batch, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        count += batch.numel() if step else 0
    return count / (time.monotonic() - began)


def decoding(model: Path, together: int) -> float:
    """New tokens per second of the engine as `serve` (one) and `evaluate` (many) run it."""
    opened = open_local if together == 1 else open_for_batches
    student = opened(model, config.cache_folder())
    prompts = [row.prompt for row in random_rows(BATCH)]
    student.engine.generate(prompts[:together], 4)
    count, began = 0, time.monotonic()
    for start in range(0, BATCH if together > 1 else 8, together):
        count += sum(map(len, student.engine.generate(prompts[start : start + together], NEW)))
    return count / (time.monotonic() - began)


def plain_decoding(folder: Path, together: int) -> float:
    """New tokens per second of transformers' `generate`, greedy, with its cache."""
    model: Any = load_for_training(folder).eval()
    prompts = torch.tensor([row.prompt for row in random_rows(BATCH)])
    count, began = 0, time.monotonic()
    with torch.inference_mode():
        for start in range(0, BATCH if together > 1 else 2, together):
            part = prompts[start : start + together]
            made = model.generate(
                part,
                attention_mask=torch.ones_like(part),
                max_new_tokens=NEW,
                min_new_tokens=NEW,
                do_sample=False,
                use_cache=True,
                pad_token_id=0,
            )
            count += made[:, part.shape[1] :].numel()
    return count / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = find_model(arguments.model, config.cache_folder(), say=print)
    figures: dict[str, object] = {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "bf16": cpu_has_bf16(),
        "load before": os.getloadavg()[0],
    }
    plain = plain_training(model, arguments.steps)
    figures["training, plain loop (tokens/s)"] = round(plain)
    for name, settings in SETTINGS.items():
        speed = training(model, settings, arguments.steps)
        figures[f"training, {name} (tokens/s)"] = f"{speed:.0f}, {speed / plain:.2f} x"
    for together in (1, BATCH):
        peer, ours = plain_decoding(model, together), decoding(model, together)
        figures[f"decoding {together} at once, generate (tokens/s)"] = round(peer)
        figures[f"decoding {together} at once, our engine (tokens/s)"] = f"{ours:.0f}, {ours / peer:.2f} x"
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:56} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()

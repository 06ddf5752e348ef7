"""How fast the default student trains and answers on this machine.

    python -m bench.student [--model smollm2-135m] [--steps 4] [--json]

Training: recipe R1 on random tokens in rows of a house-style edit's size (27 prompt tokens, 19 answer tokens), tokens
without padding per second, the first step left out. Decoding: the serving engine (CTranslate2, float32), 64 new tokens
for each of 32 prompts, one at a time and as one batch. Whatever else runs on the machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

from golddiff import config
from golddiff.models import find_model
from golddiff.serve import open_local
from golddiff.train.config import R1Config
from golddiff.train.packing import Row
from golddiff.train.precision import cpu_has_bf16
from golddiff.train.r1 import Tick, train

SETTINGS = {
    "default: topmost half of the layers": R1Config(),
    "all layers": R1Config(trained_share=1.0),
    "all layers, prompt without gradient": R1Config(trained_share=1.0, prompt_gradient=False),
}


def training(model: Path, settings: R1Config, steps: int) -> float:
    """Tokens per second."""
    rng = np.random.default_rng(0)
    rows = [Row(rng.integers(99, 9999, 27).tolist(), rng.integers(99, 9999, 19).tolist()) for _ in range(steps * 11)]
    ticks: list[Tick] = []
    with tempfile.TemporaryDirectory() as folder:
        train(rows, model, settings, key="bench", state_folder=Path(folder), report=ticks.append)
    first, last = ticks[0], ticks[-1]
    return (last.tokens - first.tokens) / (last.seconds - first.seconds)


def decoding(model: Path, together: int) -> float:
    """New tokens per second, with `together` sequences decoded at once."""
    student = open_local(model, config.cache_folder())
    rng = np.random.default_rng(0)
    prompts = [rng.integers(99, 9999, 27).tolist() for _ in range(32)]
    student.engine.generate(prompts[:together], 4)
    count, began = 0, time.monotonic()
    for start in range(0, 32 if together > 1 else 8, together):
        count += sum(map(len, student.engine.generate(prompts[start : start + together], 64)))
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
    for name, settings in SETTINGS.items():
        figures[f"training, {name} (tokens/s)"] = round(training(model, settings, arguments.steps))
    for together in (1, 32):
        figures[f"decoding, {together} at once (tokens/s)"] = round(decoding(model, together))
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:56} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()

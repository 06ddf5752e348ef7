"""What the base knew is replayed, so that a narrow student does not forget it.

How it fits: every step of `r1` adds `Anchor.drift` to its loss: on some tokens of replayed text, the divergence of the
student's predictions from the base's. What is replayed are the training rows' own words, which have their verdict
already: their code before the change, as plain text; conversations about them in the base's own chat template, with
other rows as solved examples; and conversations about small edits that no row is about (`drills`). The new skill then
lives behind the student's markers, and beside them it stays the base. The base's whole distribution says far more per
token than the text itself would, so few tokens do.

Method: distillation from the model before training (Li and Hoiem, Learning without Forgetting, 2016) on replayed text.
Measured: LOG.md, 2026-11-21 and 2026-11-22.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golddiff.models.renderer import Renderer
from golddiff.prompts import edit_messages, update_text
from golddiff.train.drills import drills
from golddiff.types import Example

__all__ = ["Anchor", "conversations", "drill_conversations", "pieces", "plain_text"]

SHOTS = 2
"""Solved examples in a replayed conversation: what the arm base + R0 is asked with."""


def plain_text(examples: Sequence[Example], renderer: Renderer) -> list[int]:
    """Return the tokens of the rows' code before the change, one row after the other."""
    return [token for example in examples for token in renderer.document(example.before)[1]]


def conversations(examples: Sequence[Example], renderer: Renderer, seed: int) -> list[int]:
    """Return the tokens of solved requests, each with other rows as examples, in the base's own form."""
    order = np.random.default_rng(seed).permutation(len(examples))
    stream: list[int] = []
    for place, index in enumerate(order):
        shots = [examples[order[place - back]] for back in range(SHOTS, 0, -1) if len(examples) > SHOTS]
        stream += _solved([*shots, examples[index]], renderer)
    return stream


def drill_conversations(examples: Sequence[Example], renderer: Renderer, seed: int) -> list[int]:
    """Return the tokens of solved drills, each with two of the same kind as examples; none where no row has a word."""
    return [token for group in drills(examples, SHOTS + 1, seed) for token in _solved(group, renderer)]


def _solved(rows: Sequence[Example], renderer: Renderer) -> list[int]:
    asked = renderer.prompt(edit_messages(rows[-1], rows[:-1], explain=True))
    return asked + renderer.answer(update_text(rows[-1]))


def pieces(stream: Sequence[int], length: int, seed: int) -> NDArray[np.int64]:
    """Cut `stream` into pieces_NL of `length` tokens in random order; short streams repeat themselves to fill one."""
    count = max(1, len(stream) // length)
    whole = np.resize(np.asarray(stream, dtype=np.int64), count * length)
    shuffled: NDArray[np.int64] = np.random.default_rng(seed).permutation(whole.reshape(count, length))
    return shuffled


class Anchor:
    """The base beside its student: a copy of the layers that are trained, as they are now. Those below are shared."""

    def __init__(self, model: Any) -> None:
        """Copy what `model` will train; everything that learns must be marked, and nothing trained yet."""
        layers = model.base_model.layers
        first = next(place for place, layer in enumerate(layers) if next(layer.parameters()).requires_grad)
        self._model, self._first = model, layers[first]
        self._layers = copy.deepcopy(layers[first:]).requires_grad_(False)
        self._norm = copy.deepcopy(model.base_model.norm).requires_grad_(False)

    def drift(self, tokens_BL: Any) -> Any:
        """Return KL(base ‖ student) of the next token, mean over all places, in nats; the gradient is the student's."""
        import torch

        met: list[tuple[Any, dict[str, Any]]] = []
        hook = self._first.register_forward_pre_hook(
            lambda _, inputs, settings: met.append((inputs[0], settings)), with_kwargs=True
        )
        with hook:
            given_BLD = self._model.base_model(input_ids=tokens_BL).last_hidden_state
        ((wanted_BLD, settings),) = met
        project = self._model.get_output_embeddings()
        with torch.no_grad():
            for layer in self._layers:
                wanted_BLD = layer(wanted_BLD, **settings)
            wanted_BLV = project(self._norm(wanted_BLD)).float().log_softmax(-1)
        given_BLV = project(given_BLD).float().log_softmax(-1)
        return (wanted_BLV.exp() * (wanted_BLV - given_BLV)).sum(-1).mean()

"""Rows of tokens → packed sequences of one constant shape, prompts and answers apart, and their attention masks.

A CPU kernel is set up anew for every shape (with bf16 it is compiled), and padding is work thrown away. So rows are put
side by side, first fit over the last few open sequences, which keeps the order of the rows nearly as shuffled. Each
sequence has a prompt part of P tokens and an answer part of A tokens: the model reads the prompt part first (without
gradient, where the recipe says so) and then the answer part on top of its keys and values.

A row attends to itself only and counts its positions from 0, so that a packed row has the loss it would have alone (a
test holds it to that). The last prompt token opens the answer part, since it predicts the first answer token.

Shapes: N sequences (B in one step), P prompt tokens, A answer tokens, S = P + A keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORED = -100
"""Label of a place that carries no loss: padding."""
_OPEN = 24
"""Sequences that may still take a row; more would pack tighter and move rows further from their turn."""
_NO_PROMPT, _NO_ANSWER = -1, -2
"""Row numbers of padding; they differ, so that padded answers see no padded prompt."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """One example in tokens."""

    prompt: list[int]
    """At least one token."""
    answer: list[int]
    """Ends with the end token."""

    def fits(self, prompt_tokens: int, answer_tokens: int) -> bool:
        """Whether an empty sequence of these sizes could hold it."""
        return len(self.prompt) - 1 <= prompt_tokens and len(self.answer) <= answer_tokens


@dataclass(frozen=True)
class Part:
    """The prompt half or the answer half of packed sequences."""

    tokens_NL: Ints
    positions_NL: Ints
    """Position inside the whole row."""
    rows_NL: Ints
    """Which row of its sequence a token belongs to; negative for padding."""

    def __getitem__(self, chosen: slice) -> Part:
        return Part(self.tokens_NL[chosen], self.positions_NL[chosen], self.rows_NL[chosen])


@dataclass(frozen=True)
class Packed:
    """Packed sequences: L is P in `prompts` and A in `answers`."""

    prompts: Part
    answers: Part
    labels_NA: Ints
    """Token that each answer place should predict, or IGNORED."""

    def __len__(self) -> int:
        return len(self.labels_NA)

    def __getitem__(self, chosen: slice) -> Packed:
        return Packed(self.prompts[chosen], self.answers[chosen], self.labels_NA[chosen])

    @property
    def token_count(self) -> int:
        """Tokens without padding."""
        return int((self.prompts.rows_NL >= 0).sum() + (self.answers.rows_NL >= 0).sum())


def pack(rows: Sequence[Row], prompt_tokens: int, answer_tokens: int, *, multiple_of: int = 1) -> Packed:
    """Pack rows in order; each must fit. Empty sequences are added up to a multiple of `multiple_of`."""
    bins = _first_fit(rows, prompt_tokens, answer_tokens)
    count = len(bins) + -len(bins) % multiple_of
    prompts, answers = _empty(count, prompt_tokens, _NO_PROMPT), _empty(count, answer_tokens, _NO_ANSWER)
    labels = np.full((count, answer_tokens), IGNORED)
    for sequence, members in enumerate(bins):
        read = written = 0
        for number, row in enumerate(members):
            before, length = len(row.prompt) - 1, len(row.answer)
            _put(prompts, sequence, read, row.prompt[:-1], 0, number)
            _put(answers, sequence, written, [row.prompt[-1], *row.answer[:-1]], before, number)
            labels[sequence, written : written + length] = row.answer
            read, written = read + before, written + length
    return Packed(prompts, answers, labels)


def prompt_mask(prompts: Part) -> NDArray[np.bool_]:
    """Return mask_B1PP: True where a prompt token may see another (same row, not later)."""
    return _own_mask(prompts)[:, None]


def answer_mask(batch: Packed) -> NDArray[np.bool_]:
    """Return mask_B1AS: True where an answer token may see its row's prompt, and its own answer up to itself."""
    prompt_BAP = batch.answers.rows_NL[:, :, None] == batch.prompts.rows_NL[:, None, :]
    return np.concatenate([prompt_BAP, _own_mask(batch.answers)], axis=2)[:, None]


def _own_mask(part: Part) -> NDArray[np.bool_]:
    same_BLL = part.rows_NL[:, :, None] == part.rows_NL[:, None, :]
    mask: NDArray[np.bool_] = same_BLL & np.tri(part.rows_NL.shape[1], dtype=np.bool_)
    return mask


def _first_fit(rows: Sequence[Row], prompt_tokens: int, answer_tokens: int) -> list[list[Row]]:
    bins: list[list[Row]] = []
    room: list[tuple[int, int]] = []
    for row in rows:
        before, length = len(row.prompt) - 1, len(row.answer)
        for index in range(max(0, len(bins) - _OPEN), len(bins)):
            if before <= room[index][0] and length <= room[index][1]:
                break
        else:
            index = len(bins)
            bins.append([])
            room.append((prompt_tokens, answer_tokens))
        bins[index].append(row)
        room[index] = (room[index][0] - before, room[index][1] - length)
    return bins


def _empty(count: int, length: int, row: int) -> Part:
    shape = (count, length)
    return Part(np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.full(shape, row, dtype=np.int64))


def _put(part: Part, sequence: int, start: int, tokens: list[int], position: int, row: int) -> None:
    place = (sequence, slice(start, start + len(tokens)))
    part.tokens_NL[place] = tokens
    part.positions_NL[place] = np.arange(position, position + len(tokens))
    part.rows_NL[place] = row

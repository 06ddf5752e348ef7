"""How likely a model finds the accepted change, and how likely it finds code that nobody changed.

How it fits: two figures that need no decoding and move long before exact match does. The likelihood of the *changed
lines* says how far a model is from writing the accepted change; that of *untouched code*, as bare text before and
after training, says what training made it forget. Both are negative log-likelihoods in nats per token: sums over
sums, so long texts count by their tokens, with the cluster bootstrap drawing whole files.

Method: p(lines | request, answer so far) = p(answer up to their end) / p(answer up to their start). The cut is made
before the white space that leads to a changed line, where byte-level tokenisers of code split in any case, so both
texts begin with the same tokens. Changes that only delete have no lines to score and are left out, counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from golddiff import patch
from golddiff.evaluate.answers import AnswerBook, Failure, Likelihood
from golddiff.prompts import update_text
from golddiff.types import Example, Message

__all__ = ["changed_lines", "changed_spans", "untouched"]

ONLY_DELETES = "the change only deletes lines"


def changed_spans(before: str, answer: str) -> list[tuple[str, str]]:
    """Return (answer up to a run of new lines, answer up to that run's end) for each run, in order."""
    new = answer.split("\n")  # without line ends: the last line of an answer has none
    spans = []
    for _, _, start, end in patch.blocks(before.split("\n"), new):
        upto = "\n".join(new[:end]).rstrip()
        prefix = "\n".join(new[:start]).rstrip()
        if len(upto) > len(prefix):
            spans.append((prefix, upto))
    return spans


def changed_lines(
    book: AnswerBook, asked: Sequence[tuple[Example, tuple[Message, ...]]], *, batch: int
) -> list[Likelihood | Failure]:
    """Return the likelihood of the changed lines of every accepted answer, given its request, in order."""
    pairs: list[tuple[tuple[Message, ...], str]] = []
    owners: list[list[tuple[int, int]]] = []
    for example, messages in asked:
        owner = []
        before = example.before.replace("\r\n", "\n").removesuffix("\n")
        for prefix, upto in changed_spans(before, update_text(example)):
            owner.append((len(pairs), len(pairs) + 1))
            pairs += [(messages, upto), (messages, prefix)]
        owners.append(owner)
    needed = [pair for pair in pairs if pair[1]]
    found = dict(zip(((id(m), t) for m, t in needed), book.score(needed, batch=batch), strict=True))
    nothing = Likelihood(0.0, 0)
    values = [found[id(messages), text] if text else nothing for messages, text in pairs]
    return [_total(owner, values) for owner in owners]


def untouched(book: AnswerBook, texts: Sequence[str], *, batch: int) -> list[Likelihood | Failure]:
    """Return the likelihood of bare documents."""
    return book.score([((), text) for text in texts], batch=batch)


def _total(owner: Sequence[tuple[int, int]], values: Sequence[Likelihood | Failure]) -> Likelihood | Failure:
    if not owner:
        return Failure(ONLY_DELETES)
    nll, tokens = 0.0, 0
    for upto_index, prefix_index in owner:
        upto, prefix = values[upto_index], values[prefix_index]
        if isinstance(upto, Failure) or isinstance(prefix, Failure):
            return upto if isinstance(upto, Failure) else Failure("no likelihood of the answer's beginning")
        nll += upto.nll - prefix.nll
        tokens += upto.tokens - prefix.tokens
    return Likelihood(nll, tokens) if tokens > 0 else Failure("no token of its own")

"""How likely a model finds the accepted change, and how likely it finds code that nobody changed.

How it fits: two figures that need no decoding and move long before exact match does. The likelihood of the *changed
lines* says how far a model is from writing the accepted change; that of *untouched code*, as bare text before and
after training, says what training made it forget. Both are negative log-likelihoods in nats per token: sums over
sums, so long texts count by their tokens, with the cluster bootstrap drawing whole files.

Method: each run of new lines is scored given the request and the accepted answer up to it. The cut is made before the
white space that leads to a changed line, where byte-level tokenisers of code split in any case, so that the tokens are
those of the whole answer. Changes that only delete have no lines to score and are left out, counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from golddiff import patch
from golddiff.evaluate.asking.answers import AnswerBook, Failure, Likelihood
from golddiff.evaluate.asking.requests import Way
from golddiff.prompts import update_text
from golddiff.types import Example, Message

__all__ = ["changed_lines", "changed_spans", "untouched"]

ONLY_DELETES = "the change only deletes lines"


def changed_spans(before: str, answer: str) -> list[tuple[str, str]]:
    """Return (answer before a run of new lines, the run with the white space that leads to it) per run, in order."""
    new = answer.split("\n")  # without line ends: the last line of an answer has none
    spans = []
    for _, _, start, end in patch.blocks(before.split("\n"), new):
        upto = "\n".join(new[:end]).rstrip()
        prefix = "\n".join(new[:start]).rstrip()
        if len(upto) > len(prefix):
            spans.append((prefix, upto[len(prefix) :]))
    return spans


def changed_lines(
    book: AnswerBook, asked: Sequence[tuple[Example, tuple[Message, ...]]], way: Way | None = None
) -> list[Likelihood | Failure]:
    """Return the likelihood of the changed lines of every accepted answer, given its request, in order."""
    pairs: list[tuple[tuple[Message, ...], str]] = []
    owners: list[range] = []
    for example, messages in asked:
        before = example.before.replace("\r\n", "\n").removesuffix("\n")
        spans = changed_spans(before, update_text(example))
        owners.append(range(len(pairs), len(pairs) + len(spans)))
        pairs += [((*messages, Message("assistant", given)) if given else messages, text) for given, text in spans]
    found = book.score(pairs, way)
    return [_total([found[index] for index in owner]) for owner in owners]


def untouched(book: AnswerBook, texts: Sequence[str], way: Way | None = None) -> list[Likelihood | Failure]:
    """Return the likelihood of bare documents."""
    return book.score([((), text) for text in texts], way)


def _total(found: Sequence[Likelihood | Failure]) -> Likelihood | Failure:
    if not found:
        return Failure.of(ONLY_DELETES)
    nll, tokens = 0.0, 0
    for one in found:
        if isinstance(one, Failure):
            return one
        nll, tokens = nll + one.nll, tokens + one.tokens
    return Likelihood(nll, tokens) if tokens > 0 else Failure.of("no token of its own")

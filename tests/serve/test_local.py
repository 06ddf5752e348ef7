"""The engine as an upstream: what is given is not scored, and what is scored continues what is given."""

import pytest

from golddiff.models.folder import Manifest
from golddiff.models.renderer import choose_spec, load_renderer
from golddiff.serve.engines.scripted import ScriptedEngine
from golddiff.serve.local import LocalUpstream
from golddiff.types import Message
from tiny_llama import write_tokenizer

REQUEST = (Message("user", "use f-strings"),)


class Recording(ScriptedEngine):
    """Keeps what it was asked to score."""

    def score(self, pairs):  # type: ignore[no-untyped-def]
        self.scored = [(list(context), list(continuation)) for context, continuation in pairs]
        return super().score(pairs)


@pytest.fixture
def model(tmp_path):
    write_tokenizer(tmp_path)
    spec = choose_spec(tmp_path, "blocks")
    manifest = Manifest(
        name="student", base_model="tiny", base_licence=None, renderer=spec, weights_hash="0", context_tokens=100
    )
    return LocalUpstream(manifest, load_renderer(tmp_path, spec), Recording(lambda prompt: []))


def test_the_continuation_of_an_answer_is_scored_after_what_is_given(model) -> None:
    whole, given, text = "def f():\n    x", "def f():", "\n    x"
    pairs = [(REQUEST, whole), (REQUEST, given), ((*REQUEST, Message("assistant", given)), text)]
    (_, all_tokens), (_, first), (_, rest) = model.loglikelihood(pairs)
    assert first + rest == all_tokens
    whole_pair, given_pair, rest_pair = model.engine.scored
    assert rest_pair[0] == given_pair[0] + given_pair[1]
    assert rest_pair[0] + rest_pair[1] == whole_pair[0] + whole_pair[1]


def test_a_text_without_a_conversation_is_a_bare_document(model) -> None:
    ((nll, tokens),) = model.loglikelihood([((), "x = 1")])
    assert nll == tokens > 0
    assert len(model.engine.scored[0][0]) == 1

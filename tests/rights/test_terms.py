"""Provider terms: every line names its source, and what is not on file is unknown."""

from __future__ import annotations

from datetime import date

import pytest

from golddiff.rights.terms import Training, load, lookup


def test_every_family_says_what_the_terms_say_and_how_we_know() -> None:
    for provider in load().provider:
        for family in provider.family:
            assert family.says
            assert family.source.title
            assert family.source.read in {"stored copy", "secondary", "recalled"}
            date.fromisoformat(family.source.as_of)
            assert (family.licence is not None) == (family.training is Training.OPEN_WEIGHT)


def test_nothing_is_allowed_on_hearsay() -> None:
    for provider in load().provider:
        for family in provider.family:
            if family.training is Training.ALLOWED:
                assert family.source.read == "stored copy"


@pytest.mark.parametrize(
    ("model", "training"),
    [
        ("claude-opus-4-5-20251101", "forbidden"),
        ("anthropic/claude-sonnet-4", "forbidden"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "forbidden"),
        ("Claude-Haiku", "forbidden"),
        ("gpt-5-codex", "forbidden"),
        ("openai/gpt-oss-120b", "open-weight"),
        ("o3", "forbidden"),
        ("gemini-2.5-pro", "forbidden"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "open-weight"),
        ("qwen2.5-coder-3b", "unknown"),
        ("qwen3-max", "unknown"),
        ("llama-3.1-70b", "unknown"),
        ("deepseek-r1", "unknown"),
        ("golddiff-simulated-teacher", "allowed"),
        ("some-new-model", "unknown"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_models_are_looked_up_by_family(model: str | None, training: str) -> None:
    assert lookup(model).training.value == training


def test_the_stricter_of_provider_and_model_decides() -> None:
    assert lookup("qwen3-8b").training is Training.OPEN_WEIGHT
    assert lookup("qwen3-8b", "anthropic").training is Training.UNKNOWN
    assert lookup("our-alias", "anthropic").training is Training.UNKNOWN
    assert lookup("claude-sonnet-4", "openai").training is Training.FORBIDDEN
    assert lookup("qwen3-8b", "a-host-nobody-knows").training is Training.UNKNOWN

"""Values in JSON of no fixed shape."""

from __future__ import annotations

import pytest

from golddiff.record.importers.untyped import marked_text, said_text, string_at, usage_of
from golddiff.types import Usage

PARTS = [
    "a",
    {"type": "text", "text": "b"},
    {"type": "output", "content": [{"text": "c"}, {"type": "image_url"}]},
    {"image_urls": []},
    {"type": "audio"},
    7,
]


@pytest.mark.parametrize(
    ("content", "said", "marked"),
    [
        ("x", "x", "x"),
        (None, "", ""),
        ({"a": 1}, "", '{"a":1}'),
        (PARTS, "a\nb\nc\n[image]\n[image]", "a\nb\n[output]\n[other]\n[audio]\n[part]"),
    ],
)
def test_text_is_what_is_said_or_all_there_is_with_marks(content: object, said: str, marked: str) -> None:
    assert (said_text(content), marked_text(content)) == (said, marked)


def test_a_string_is_found_below_keys_and_nothing_else_is() -> None:
    place = {"a": {"b": "x", "c": "", "d": 1}}
    assert string_at(place, "a", "b") == "x"
    assert {string_at(place, "a", key) for key in ("c", "d", "e")} == {string_at([], "a")} == {None}


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        ("none", None),
        ({}, Usage()),
        (
            {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(input_tokens=6, output_tokens=2, cache_read_tokens=4),
        ),
        (
            {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 5},
            Usage(input_tokens=2, output_tokens=2, cache_read_tokens=3, cache_write_tokens=5),
        ),
        ({"prompt_tokens": True, "completion_tokens": -1, "prompt_tokens_details": 7}, Usage()),
    ],
)
def test_tokens_from_the_cache_are_taken_out_of_the_input(counted: object, usage: Usage | None) -> None:
    assert usage_of(counted) == usage

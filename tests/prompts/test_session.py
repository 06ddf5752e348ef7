"""What a user asked for: everything up to the first attempt, and nothing that was said on seeing it."""

from __future__ import annotations

from golddiff.prompts.edit import commit_instruction
from golddiff.prompts.session import first_attempt, session_instruction
from golddiff.types import Attempt, Clean, Event, EventKind

PROMPTS = [
    Event[Clean](id=f"evt_{at}", session_id="ses_1", sequence=at, kind=EventKind.PROMPT, text=Clean(text))
    for at, text in ((0, " Add a shop "), (3, "With prices"), (8, "No, not like this"))
]
ATTEMPTS = [
    Attempt(
        id=f"att_{index}",
        session_id="ses_1",
        index=index,
        first_event=first,
        last_event=last,
        ended_by="prompt",
        patch=Clean(""),
        paths=paths,
    )
    for index, (first, last, paths) in enumerate([(0, 2, ()), (3, 7, ("shop.py",)), (8, 9, ("price.py", "shop.py"))])
]


def test_the_request_ends_with_the_first_attempt_that_touches_one_of_the_files() -> None:
    assert session_instruction(PROMPTS, first_attempt(ATTEMPTS, ["shop.py"])) == "Add a shop\n\nWith prices"
    assert session_instruction(PROMPTS, first_attempt(ATTEMPTS, ["price.py"])).endswith("No, not like this")


def test_without_a_known_attempt_it_is_the_first_prompt_and_a_long_one_keeps_its_end() -> None:
    assert session_instruction(PROMPTS, first_attempt(ATTEMPTS, ["other.py"])) == "Add a shop"
    assert session_instruction([], None) == ""
    assert session_instruction(PROMPTS, ATTEMPTS[1], 8) == "h prices"


def test_a_commit_asks_for_what_its_subject_says_without_the_number_of_a_pull_request() -> None:
    assert commit_instruction("Add a shop (#12)") == "Add a shop"
    assert commit_instruction("Add a shop (see #12)", 9) == "(see #12)"

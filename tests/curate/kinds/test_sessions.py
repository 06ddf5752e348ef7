"""An accepted session becomes rows: the prompts so far, the window before, what was kept, what was tried first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from accepted_sessions import START, add_accepted, consent
from golddiff.curate import CurateConfig, Row, Tally, from_sessions
from golddiff.curate.kinds.sessions import rows_from_sessions
from golddiff.errors import RightsError
from golddiff.patch import render
from golddiff.rights import redact_text
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.store.repositories import commit_id
from golddiff.types import Attempt, Commit, Outcome, Repository, SessionState

BASE = "".join(f"line {number}\n" for number in range(20))
FIRST = BASE.replace("line 10\n", "first try\n")
FINAL = BASE.replace("line 10\n", "as accepted\n")


def add_session(
    store: Store,
    number: int = 1,
    *,
    state: SessionState = SessionState.ACCEPTED,
    model: str = "qwen3-8b",
    first: str = FIRST,
    final: str = FINAL,
    prompts: tuple[str, ...] = ("Improve line ten in /home/alice/x", "No, like this"),
    path: str = "src/a.txt",
) -> Outcome:
    """Store one session of two turns whose second state was committed."""
    sha = f"{number:040x}"
    commit = Commit(
        id=commit_id("rep_1", sha),
        repository_id="rep_1",
        sha=sha,
        committed_at=START.replace(day=number + 1),
        subject=redact_text("Accept it"),
    )
    store.put(Repository(id="rep_1", name="one", licence="MIT"), commit)
    patches = [redact_text(render(path, BASE, after)) for after in (first, final)]
    fields = {"state": state}
    return add_accepted(store, number, prompts=prompts, patches=patches, path=path, sha=sha, model=model, fields=fields)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened


def rows(store: Store) -> tuple[list[Row], Tally]:
    tally = Tally()
    return list(rows_from_sessions(store, CurateConfig(name="x", context_lines=1), tally)), tally


def test_a_row_holds_the_window_before_what_was_accepted_and_the_first_attempt(store: Store) -> None:
    add_session(store)
    (row,), _ = rows(store)
    assert row.example.path == "src/a.txt"
    assert row.example.start_line == 10
    assert row.example.before == "line 9\nline 10\nline 11\n"
    assert row.example.after == "line 9\nas accepted\nline 11\n"
    assert row.attempt == "line 9\nfirst try\nline 11\n"
    assert row.example.at == START.replace(day=2)
    assert row.parents == ("out_1",)


def test_the_instruction_is_what_was_asked_before_the_first_attempt_with_homes_masked(store: Store) -> None:
    add_session(store)
    (row,), _ = rows(store)
    assert row.example.instruction == "Improve line ten in /home/user/x"


def test_a_first_attempt_that_rests_on_other_lines_is_not_known(store: Store) -> None:
    outcome = add_session(store)
    other = BASE.replace("line 9\n", "something else\n")
    patch = redact_text(render("src/a.txt", other, other.replace("line 10\n", "first try\n")))
    for index in (0, 1):
        attempt = store.get(Attempt, f"att_1_{index}")
        store.put(type(attempt)(**{**{f: getattr(attempt, f) for f in attempt.__struct_fields__}, "patch": patch}))
    (row,), _ = rows(store)
    assert row.attempt is None
    assert outcome.id in row.parents


@pytest.mark.parametrize("state", [SessionState.REJECTED, SessionState.ABANDONED, SessionState.UNKNOWN])
def test_sessions_that_were_not_accepted_make_no_rows_and_are_counted(store: Store, state: SessionState) -> None:
    add_session(store, state=state)
    found, tally = rows(store)
    assert found == []
    assert tally.dropped == {f"session {state.value}": 1}


def test_sessions_of_a_model_whose_terms_forbid_it_are_denied_even_with_consent(store: Store) -> None:
    consent(store)
    add_session(store, model="claude-opus-4-5")
    with pytest.raises(RightsError, match="terms: forbidden"):
        from_sessions(store, CurateConfig(name="ours"))


def test_without_consent_nothing_is_trained_on(store: Store) -> None:
    add_session(store)
    with pytest.raises(RightsError, match="consent: none"):
        from_sessions(store, CurateConfig(name="ours"))


def test_all_arms_hold_the_same_tasks(store: Store) -> None:
    consent(store)
    for number in range(1, 11):
        path = f"src/{number}.txt"
        final = BASE.replace("line 10\n", f"as accepted {number} {number * 7} {'z' * number}\n")
        first = BASE.replace("line 10\n", f"first try {number}\n")
        add_session(store, number, path=path, first=first, final=final)
    config = CurateConfig(name="arms", targets=("accepted", "attempt", "shuffled"), near_duplicates=None)
    built = from_sessions(store, config)
    train = {arm: list(read_dataset(store, dataset.id, "train")) for arm, dataset in built.datasets.items()}
    test = {arm: list(read_dataset(store, dataset.id, "test")) for arm, dataset in built.datasets.items()}
    assert len({len(examples) for examples in train.values()}) == 1
    for arm in ("attempt", "shuffled"):
        assert [example.before for example in train[arm]] == [example.before for example in train["accepted"]]
        assert test[arm] == test["accepted"]
    assert all("first try" in example.after for example in train["attempt"])
    assert [example.after for example in train["shuffled"]] != [example.after for example in train["accepted"]]
    assert len({dataset.id for dataset in built.datasets.values()}) == 3


def test_lineage_leads_from_the_session_to_the_dataset(store: Store) -> None:
    consent(store)
    outcome = add_session(store)
    dataset = from_sessions(store, CurateConfig(name="ours")).datasets["accepted"]
    (example_id,) = store.children(outcome.id)
    assert store.children(example_id) == [dataset.id]

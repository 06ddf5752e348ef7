"""An accepted session becomes a task: what was asked for, what was kept, and the tests that came with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from accepted_sessions import add_accepted, consent
from evaluate.tasks.test_repository import EMPTY, SUM, TEST, commit, git
from golddiff.curate import CurateConfig, Tally
from golddiff.curate.kinds.sessions import rows_from_sessions
from golddiff.errors import SandboxError
from golddiff.evaluate.tasks.building import Builder, Built
from golddiff.evaluate.tasks.questions import questions
from golddiff.evaluate.tasks.sessions import _draft, build_from_sessions
from golddiff.git import GitRepository
from golddiff.patch import render
from golddiff.prompts.nearest import EarlierChanges
from golddiff.rights import Grants, redact_text
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.grading import Grader
from golddiff.store import Store
from golddiff.store.repositories import commit_id
from golddiff.types import Commit, Grant, Outcome, Repository, Session, SessionState

SHOP = Repository(id="rep_1", name="us/shop", licence="MIT")
GOLD = redact_text(render("shop.py", EMPTY, SUM))
PROMPTS = ("Total must add up, see /home/alice/x", "Thank you, commit it")


def add_session(store: Store, number: int, base: str, sha: str, **more: object) -> None:
    """Store one session of two turns whose change was committed with a test that a person wrote."""
    fields = {"base": base, **more}
    add_accepted(store, number, prompts=PROMPTS, patches=(GOLD,), path="shop.py", sha=sha, fields=fields)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A repository, the commit that a session began at, and the one that holds its work."""
    folder = tmp_path_factory.mktemp("work") / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    base = commit(folder, "The shop begins here", {"shop.py": EMPTY})
    return folder, base, commit(folder, "wip", {"shop.py": SUM, "tests/test_shop.py": TEST})


@pytest.fixture
def store(repository: tuple[Path, str, str], tmp_path: Path) -> Iterator[Store]:
    _, base, sha = repository
    with Store.open(tmp_path / "workspace") as opened:
        opened.put(SHOP)
        add_session(opened, 1, base, sha)
        add_session(opened, 2, base, sha, state=SessionState.REJECTED)
        add_session(opened, 3, base, sha, gold_patch=redact_text(render("shop.py", SUM, EMPTY)))
        add_session(opened, 4, base, sha, commits=())
        add_session(opened, 5, "0" * 40, sha)
        add_session(opened, 6, base, sha, gold_patch=redact_text(GOLD.replace("@@ -1,2 +1,2 @@", "@@ -1,9 +1,9 @@")))
        yield opened


def build(store: Store, repository: tuple[Path, str, str]) -> Built:
    try:
        grader = Grader(open_sandbox(workers=2), seed=5)
    except SandboxError as problem:
        pytest.skip(str(problem))
    with GitRepository.open(repository[0]) as opened:
        return build_from_sessions(Builder(opened, grader), store, SHOP)


def test_a_session_is_a_task_with_its_request_its_gold_diff_and_the_tests_that_were_committed(
    store: Store, repository: tuple[Path, str, str]
) -> None:
    consent(store)
    built = build(store, repository)
    (task,) = built.tasks
    assert task.problem_statement == "Total must add up, see /home/user/x"
    assert (task.base_commit, task.commit, task.session) == (*repository[1:], "ses_1")
    assert task.patch == GOLD
    assert task.fail_to_pass == ("tests/test_shop.py::test_total",)
    assert task.mutants
    assert questions(task, {"shop.py": EMPTY}.get).questions[0].instruction == task.problem_statement
    assert (built.looked_at, dict(built.dropped)) == (
        6,
        {
            "session rejected": 1,
            "its gold diff does not fit its base": 1,
            "changes no test": 1,
            "its base is not in this clone": 1,
            "gold patch unreadable after redaction": 1,
        },
    )


def test_a_session_whose_user_was_not_asked_makes_no_task(store: Store, repository: tuple[Path, str, str]) -> None:
    built = build(store, repository)
    assert built.tasks == []
    assert sum(count for reason, count in built.dropped.items() if reason.startswith("not permitted: consent")) == 4


@pytest.mark.parametrize("minutes", [-5, 5])
def test_neither_what_the_session_committed_nor_anything_later_is_shown_as_earlier(
    store: Store, repository: tuple[Path, str, str], minutes: int
) -> None:
    folder, _, sha = repository
    consent(store)
    committed = datetime.fromtimestamp(int(git(folder, "show", "-s", "--format=%ct", sha)), UTC)
    began = committed + timedelta(minutes=minutes)
    ended = committed + timedelta(minutes=9)
    store.put(msgspec.structs.replace(store.get(Session, "ses_1"), started_at=began, ended_at=ended))
    store.put(
        Commit(
            id=commit_id("rep_1", sha),
            repository_id="rep_1",
            sha=sha,
            committed_at=committed,
            subject=redact_text("wip"),
        )
    )
    rows = [row.example for row in rows_from_sessions(store, CurateConfig(name="x"), Tally())]
    with GitRepository.open(folder) as opened:
        draft = _draft(store, opened, SHOP, store.get(Outcome, "out_1"), Grants(store.find(Grant)))
    assert not isinstance(draft, str)
    assert draft.created_at == min(began, committed).isoformat()
    (question,) = questions(draft, {"shop.py": EMPTY}.get).questions
    assert {row.provenance.session_id for row in rows} == {"ses_1", "ses_3", "ses_4", "ses_5"}
    for asked in (question, msgspec.structs.replace(question, at=ended)):
        shown = EarlierChanges(rows).nearest(asked, 9)
        assert [row.provenance.session_id for row in shown] == ["ses_4"]  # of March; the others are of the same commit

"""`golddiff export outcomes`: rows into files, notes into a ref, and what rights keep back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.test_report import committed, git, repo
from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.git import GitRepository
from golddiff.record.importers.git_ai.importer import GitAi
from golddiff.store import Store
from golddiff.types import LineFate, LivedLines, Outcome, Survival

__all__ = ["committed", "repo"]


@pytest.fixture
def linked(repo: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """Six sessions, linked; each has six lines that were kept in a commit of its own."""
    assert run(application, ["report", "--json"]) == 0
    with Store.open(repo / ".golddiff") as store:
        for outcome in store.find(Outcome):
            for stored in store.find(Survival, outcome_id=outcome.id):
                store.remove(Survival, stored.id)
            store.put(_survival(store, outcome), parents=[outcome.id])
    capfd.readouterr()
    return repo


def _survival(store: Store, outcome: Outcome) -> Survival:
    (hunk, *_) = outcome.hunks
    (commit,) = (link.sha for link in outcome.commits)
    at = next(session.started_at for session in store.sessions() if session.id == outcome.session_id)
    assert at is not None
    lines = LivedLines(
        path=hunk.path, first_line=1, lines=6, characters=180, fate=LineFate.KEPT, accepted_by=commit, accepted_at=at
    )
    return Survival(
        id=f"srv_{outcome.id}", session_id=outcome.session_id, repository_id=outcome.repository_id,
        outcome_id=outcome.id, branch="refs/heads/main", tip=commit, observed_until=at, groups=(lines,), method="test",
    )  # fmt: skip


def export(*arguments: str) -> int:
    return run(application, ["export", "outcomes", *arguments])


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_rows_are_written_to_standard_output(linked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export() == 0
    captured = capfd.readouterr()
    found = rows(captured.out)
    assert len(found) == 6
    assert {(row["kept_lines"], row["survival"][0]["lines"]) for row in found} == {(6, 6)}
    assert "6 outcomes" in captured.err


def test_parquet_and_json_lines_hold_the_same_outcomes(linked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra golddiff[curate]")
    assert export("--format", "parquet", "-o", "o.parquet", "--json") == 0
    assert json.loads(capfd.readouterr().out)["outcomes"] == 6
    assert export("-o", "o.jsonl") == 0
    ids = [row["outcome_id"] for row in rows((linked / "o.jsonl").read_text())]
    assert parquet.read_table("o.parquet").column("outcome_id").to_pylist() == ids
    assert [path.name for path in linked.glob("o.*.part")] == []


def test_notes_go_into_the_named_ref_and_the_importer_reads_them_back(
    linked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--format", "git-ai-notes", "--repo", ".", "--notes-ref", "refs/notes/ai", "--json"]
    assert export(*arguments) == 0
    done = json.loads(capfd.readouterr().out)
    assert (done["notes_written"], done["lines"], done["kept_of_others"]) == (6, 36, 0)
    with GitRepository.open(linked) as opened:
        claims = [claim for reading in GitAi().read(opened) for claim in reading.attributions]
    assert {claim.provider_session_id for claim in claims} == {f"s{number}" for number in range(6)}
    assert {(claim.lines[0].first_line, claim.lines[0].last_line) for claim in claims} == {(1, 6)}
    assert export(*arguments) == 0
    assert json.loads(capfd.readouterr().out)["unchanged"] == 6


def test_nothing_is_written_into_a_repository_unless_it_and_the_ref_are_named(
    linked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["--repo", "."], ["--notes-ref", "refs/notes/x"], []):
        assert export("--format", "git-ai-notes", *arguments) == 2
        assert "--repo PATH --notes-ref REF" in capfd.readouterr().err


def test_for_training_keeps_back_what_rights_do_not_permit(linked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export("--for-training", "-o", "o.jsonl") == 5
    assert "no outcome may be used for training" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "parquet"], "--output FILE"),
        (["--json"], "--output FILE"),
        (["--notes-ref", "refs/notes/x"], "git-ai-notes"),
        (["--format", "git-ai-notes", "--repo", ".", "--notes-ref", "refs/notes/x", "-o", "x"], "no meaning"),
    ],
)
def test_what_cannot_be_is_a_usage_error(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert export(*arguments) == 2
    assert words in capfd.readouterr().err


def test_a_workspace_without_outcomes_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open(tmp_path / ".golddiff"):
        pass
    assert export() == 3
    assert "golddiff outcomes --repo PATH" in capfd.readouterr().err


def test_a_repository_without_outcomes_here_is_an_error_and_not_an_empty_file(
    linked: Path, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    assert export("--repo", str(other), "-o", "o.jsonl") == 3
    assert f"no outcomes of {other}" in capfd.readouterr().err
    assert not (linked / "o.jsonl").exists()


def test_sessions_are_still_exported_by_their_ids(linked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["export", "--help"]) == 0
    text = capfd.readouterr().out
    assert "golddiff export --all --format agent-trace" in text
    assert "golddiff export outcomes --help" in text
    assert run(application, ["export", "--all", "--format", "chat-jsonl"]) == 0
    assert len(rows(capfd.readouterr().out)) == 6

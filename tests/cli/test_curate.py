"""`golddiff curate` builds from a repository's history and says what to run next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.kinds.test_history import History, code, history
from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.cli.curate import _print_counts
from golddiff.store import Store

__all__ = ["history"]


def test_a_history_becomes_a_dataset_whose_rows_can_be_explained(
    history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in range(6):
        history.commit(f"Change value {day}", a_py=code(**{f"v{4 * d}": 100 + d for d in range(day + 1)}))
    workspace = ["--workspace", str(tmp_path / "workspace")]
    call = ["curate", "--name", "ours", "--source", "git", "--repo", str(history.folder), *workspace]
    assert run(application, [*call, "--json"]) == 0
    (dataset,) = json.loads(capsys.readouterr().out)["datasets"]
    assert dataset["rows"]["train"] > dataset["rows"]["test"] > 0
    assert run(application, ["rights", "explain", dataset["id"], *workspace]) == 0
    assert "may be trained on" in capsys.readouterr().out


def test_a_reason_is_printed_as_it_is_whatever_a_transcript_called_its_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _print_counts("Denied", {"terms: unknown ([/red] model)": 2})
    assert "[/red] model" in capsys.readouterr().out


def test_git_without_a_repository_says_what_to_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["curate", "--name", "x", "--source", "git", "--workspace", str(tmp_path)]) == 2
    assert "--repo PATH" in capsys.readouterr().err


def test_a_workspace_without_sessions_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curate = ["curate", "--name", "x", "--workspace", str(tmp_path)]
    assert run(application, curate) == 3
    assert "golddiff import" in capsys.readouterr().err
    Store.open(tmp_path).close()
    assert run(application, curate) == 3
    assert "golddiff outcomes" in capsys.readouterr().err

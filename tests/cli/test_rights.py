"""`golddiff rights` explains and records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golddiff.cli import application
from golddiff.cli.app import run
from golddiff.store import Store
from golddiff.types import Grant, Repository


def test_a_models_terms_are_explained_with_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(application, ["rights", "explain", "--model", "claude-opus-4-5", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["training"] == "forbidden"
    assert answer["source"]["url"].startswith("https://")


def test_a_grant_is_added_and_its_withdrawal_too(tmp_path: Path) -> None:
    call = ["rights", "grant", "consent", "*", "--by", "Ada", "--document", "d.pdf", "--workspace", str(tmp_path)]
    assert run(application, call) == 0
    assert run(application, [*call, "--withdraw"]) == 0
    with Store.open(tmp_path, write=False) as store:
        assert [record.granted for record in store.find(Grant, gate="consent")] == [True, False]


def test_a_licence_is_stated_or_withdrawn_for_one_known_repository_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(tmp_path) as store:
        store.put(*(Repository(id=f"rep_{number}", name="shop" if number < 3 else "other") for number in (1, 2, 3)))
    for whom, code in (("shop", 3), ("nobody/nothing", 3), ("rep_2", 0), ("other", 0)):
        call = ["rights", "grant", "licence", whom, "--withdraw", "--by", "Ada", "--document", "d"]
        assert run(application, [*call, "--workspace", str(tmp_path)]) == code
    assert "rep_1 (shop), rep_2 (shop)" in capsys.readouterr().err
    with Store.open(tmp_path, write=False) as store:
        assert [record.applies_to for record in store.find(Grant)] == ["rep_2", "rep_3"]


def test_a_licence_can_only_be_stated_for_the_licence_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["rights", "grant", "consent", "*", "--by", "Ada", "--document", "d", "--spdx", "MIT"]
    assert run(application, [*call, "--workspace", str(tmp_path)]) == 2
    assert "licence" in capsys.readouterr().err


def test_explaining_nothing_or_an_unknown_id_is_an_error(tmp_path: Path) -> None:
    assert run(application, ["rights", "explain", "--workspace", str(tmp_path)]) == 2
    Store.open(tmp_path).close()
    assert run(application, ["rights", "explain", "ses_nothing", "--workspace", str(tmp_path)]) == 3

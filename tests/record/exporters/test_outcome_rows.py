"""Rows of outcomes: their fields, their schema in the docs, and Parquet that holds the same as JSON Lines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from golddiff.record.exporters import outcome_parquet
from golddiff.record.exporters.outcome_rows import OutcomeRow, row_of, schema_markdown
from golddiff.types import AttemptFate, CommitLink, Repository
from web.report_lives import group, record
from web.report_records import attempt, outcome, session

DOCS = Path(__file__).resolve().parents[3] / "docs" / "export.md"


def full() -> OutcomeRow:
    links = (CommitLink(sha="ab" * 20, confidence=0.8, lines_shared=3, lines_total=9, on_default_branch=True),)
    survival = record((group(), group("web/x.ts", 9, ("ses_9",))))
    return row_of(
        outcome(commits=links, reasons=("kept",)),
        session(),
        Repository(id="repo_1", name="shop"),
        [attempt(0, AttemptFate.KEPT)],
        survival,
    )


def bare() -> OutcomeRow:
    return row_of(outcome(), session(), None, [], None)


def test_a_row_says_who_wrote_what_and_what_became_of_it() -> None:
    row = full()
    assert (row.client, row.models, row.repository, row.state, row.attempts) == (
        "claude-code", ("alpha",), "shop", "revised", 1,
    )  # fmt: skip
    assert (row.written_lines, row.kept_lines, row.revised_lines, row.dropped_lines) == (12, 6, 1, 3)
    assert [commit.sha for commit in row.commits] == ["ab" * 20]
    assert row.survival is not None
    assert [(part.path, part.fate, part.ended_by_sessions) for part in row.survival] == [
        ("a/app.py", "kept", ()), ("web/x.ts", "kept", ("ses_9",)),
    ]  # fmt: skip
    assert row.not_followed == {"binary": 2}


def test_an_outcome_that_nobody_followed_says_so_and_not_that_nothing_lived() -> None:
    assert bare().survival is None


def test_a_row_comes_back_from_its_json() -> None:
    for row in (full(), bare()):
        assert msgspec.json.decode(msgspec.json.encode(row), type=OutcomeRow) == row


def test_parquet_holds_what_the_rows_hold(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra golddiff[curate]")
    rows = [full(), bare()]
    assert outcome_parquet.write(tmp_path / "o.parquet", rows) == 2
    read = parquet.read_table(tmp_path / "o.parquet", schema=None).to_pylist()
    for row in read:
        row["not_followed"] = dict(row["not_followed"])
    assert msgspec.convert(read, list[OutcomeRow]) == rows
    assert read[0]["started_at"] == datetime(2026, 8, 3, 9, tzinfo=UTC)


def test_a_parquet_file_without_rows_has_the_schema(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra golddiff[curate]")
    assert outcome_parquet.write(tmp_path / "o.parquet", []) == 0
    assert parquet.read_schema(tmp_path / "o.parquet").names == list(OutcomeRow.__struct_fields__)


def test_the_docs_show_the_schema_as_it_is() -> None:
    assert schema_markdown() in DOCS.read_text("utf-8"), "put outcome_rows.schema_markdown() into docs/export.md"

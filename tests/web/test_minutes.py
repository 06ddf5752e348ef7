"""Ten minutes after the agent handed back, as snapshots show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from golddiff.statistics.shares import Share
from golddiff.store import Store
from golddiff.types import Attempt, AttemptFate, Clean, Snapshot, SnapshotFile, Transcript
from golddiff.web import minutes
from golddiff.web.minutes import Glance
from web.report_records import attempt, session
from web.report_sessions import BEGAN, lines
from web.report_sessions import session as fact_of

PATCH = Clean("--- a/a.py\n+++ b/a.py\n@@ -1 +1,5 @@\n one\n+two\n+three\n+\n+four\n")
BEFORE, AFTER = "one\ntwo\nthree\n\nfour\n", "one\n    two\n3\nfour\n"


def shot(
    number: int, at_min: float, cause: str, text: str | None, who: str | None = None, **fields: object
) -> Snapshot:
    files = () if text is None else (SnapshotFile(path="a.py", text=Clean(text)),)
    values = {"files": files, "root": Clean("/r")} | fields
    return Snapshot(
        id=f"snp_{number}", repository_id="repo_1", cause=cause, taken_at=BEGAN + timedelta(minutes=at_min),
        provider_session_id=who, **values,  # type: ignore[arg-type]
    )  # fmt: skip


def seen(tmp_path: Path, *shots: Snapshot) -> dict[str, Glance]:
    with Store.open(tmp_path / "w") as store:
        store.add_transcript(Transcript(session(provider_session_id="c1"), ()))
        last: Attempt = msgspec.structs.replace(attempt(0, AttemptFate.KEPT), patch=PATCH)
        store.put(last, parents=["ses_1"])
        for one in shots:
            store.put(one)
        return minutes.read(store, [msgspec.structs.replace(fact_of(1, lines(3)), id="ses_1")])


def test_lines_that_the_user_changed_within_ten_minutes_are_gone_and_indented_ones_are_not(tmp_path: Path) -> None:
    shots = (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 8, "rest", AFTER), shot(3, 30, "rest", ""))
    assert seen(tmp_path, *shots) == {"ses_1": Glance(lines=3, still=2)}


def test_where_nothing_changed_the_state_is_that_of_the_yield(tmp_path: Path) -> None:
    assert seen(tmp_path, shot(1, 0, "yield", BEFORE, "c1"), shot(2, 11, "rest", "")) == {
        "ses_1": Glance(lines=3, still=3)
    }


@pytest.mark.parametrize(
    "shots",
    [
        (),
        (shot(1, 0, "yield", BEFORE, "c1"),),
        (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 60, "start", BEFORE)),
        (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 5, "start", BEFORE), shot(3, 60, "rest", BEFORE)),
        (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 5, "yield", AFTER, "c2"), shot(3, 60, "rest", AFTER)),
        (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 60, "rest", AFTER, root=Clean("/elsewhere"))),
        (shot(1, 0, "yield", BEFORE, "c1"), shot(2, 5, "rest", None), shot(3, 60, "rest", AFTER)),
    ],
    ids=["no one", "not after", "began again", "interrupted", "another agent", "another folder", "committed"],
)
def test_what_nobody_saw_is_unknown(tmp_path: Path, shots: tuple[Snapshot, ...]) -> None:
    assert seen(tmp_path, *shots) == {}


def test_the_share_is_over_sessions_and_has_an_interval() -> None:
    facts = [fact_of(number, lines(3)) for number in range(9)]
    found = minutes.summarise_minutes(
        {fact.id: Glance(lines=10, still=6 + n % 4) for n, fact in enumerate(facts)}, facts
    )
    assert found is not None
    assert (found.sessions, found.lines) == (9, 90)
    assert isinstance(found.still, Share)
    assert found.still.low < 66 / 90 < found.still.high


def test_without_anyone_watching_there_is_no_share() -> None:
    assert minutes.summarise_minutes({}, [fact_of(1, lines(3))]) is None

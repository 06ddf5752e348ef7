"""Whatever was changed behind the store's back is found and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from golddiff.errors import UnreachableError
from golddiff.store import Location, Store
from golddiff.store.check import check
from golddiff.types import Call, Clean, CleanBytes, KeptBody
from store.filled import fill

DAMAGE = {
    "its body cannot be read": "UPDATE repositories SET body = (SELECT data FROM blobs ORDER BY data LIMIT 1) "
    "WHERE id = 'rep_1'",
    "its body is of rep_0": "UPDATE repositories SET body = (SELECT body FROM repositories WHERE id = 'rep_0') "
    "WHERE id = 'rep_1'",
    "name is not what its body says": "UPDATE repositories SET name = 'two' WHERE id = 'rep_1'",
    "its text": "DELETE FROM blobs WHERE hash = (SELECT hash FROM blobs ORDER BY hash LIMIT 1)",
    "is damaged": "UPDATE blobs SET data = (SELECT data FROM blobs ORDER BY data LIMIT 1)",
    "a link leads to it": "DELETE FROM repositories WHERE id = 'rep_1'",
    "what it is found again by": "DELETE FROM session_keys",
    "its events are here": "DELETE FROM sessions WHERE id = 'ses_1'",
}


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, new_place: Callable[[str], Location]) -> Iterator[Store]:
    place = new_place(request.param)
    with Store.open(Location(place.folder, place.database)) as opened:
        fill(opened)
        yield opened


def test_a_workspace_that_is_whole_has_no_problems(store: Store) -> None:
    report = check(store)
    assert report.problems == []
    assert report.notes == []
    assert (report.checked["events"], report.checked["blobs"], report.checked["lineage"]) == (12, 5, 5)


def test_every_kind_of_damage_is_found(store: Store) -> None:
    for said, damage in DAMAGE.items():
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.database.execute(damage)
            assert any(said in problem.what for problem in check(store).problems), said
            raise ZeroDivisionError
    assert check(store).problems == []


def test_a_file_that_is_not_here_is_a_note(store: Store) -> None:
    shutil.rmtree(store.root / "checkpoints")
    report = check(store)
    assert report.problems == []
    assert report.notes == ["checkpoints checkpoint_1: checkpoints/c1 is not on this machine"]


def test_a_damaged_page_of_sqlite_is_found(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        fill(store)
        store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = store.database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'commits_sha'")[0]
    path = tmp_path / "golddiff.sqlite"
    data = bytearray(path.read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 8] = b"\x0a\0\0\0\x05\0\0\0"  # five entries that are not there
    path.write_bytes(data)
    with Store.open(tmp_path, write=False) as store:
        assert any(problem.where == "database" for problem in check(store).problems)


def test_a_call_whose_body_is_kept_as_a_blob_is_no_damage(store: Store) -> None:
    body = KeptBody(hash="", size=90_000, rest=CleanBytes(bytes(range(256)) * 400))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    call = Call(
        id="call_1", protocol="openai-chat", upstream="main", method="POST", path=Clean("/v1"), started_at=now,
        ending="complete", request=body, answer=body,
    )  # fmt: skip
    store.put(call)
    assert int(store.database.execute("SELECT count(*) FROM blobs")[0][0]) == 6
    assert check(store).problems == []


@pytest.mark.parametrize("kind", ["sqlite + folder", "sqlite + memory"])
def test_objects_that_no_record_names_are_counted(kind: str, new_place: Callable[[str], Location]) -> None:
    place = new_place(kind)
    with Store.open(place) as store:
        assert check(store).notes == []
        fill(store)
        report = check(store)
        assert (report.problems, report.notes) == ([], [])
        assert report.checked["objects"] == 6  # five texts and the weights of a checkpoint
        assert store.keeper.shelf is not None
        store.keeper.shelf.write("blobs/00/0011", b"cut off")
        store.keeper.shelf.write("files/checkpoints/c11/deep/weights", b"cut off")
        report = check(store)
    assert report.problems == []
    (note,) = report.notes
    assert note.startswith("2 of 8 objects at ")


def test_blobs_that_cannot_be_asked_for_are_one_error_and_no_damage(
    new_place: Callable[[str], Location], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(new_place("sqlite + memory")) as store:
        fill(store)
        asked = []

        def refuse(path: str) -> bytes:
            asked.append(path)
            raise ConnectionError("no route to host")

        monkeypatch.setattr(store.keeper.shelf._system, "cat_file", refuse)  # type: ignore[union-attr]
        with pytest.raises(UnreachableError, match="no route to host"):
            check(store)
    assert len(asked) == 1

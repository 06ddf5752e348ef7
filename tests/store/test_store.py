"""The store keeps what it was given, once, whole, and says clearly when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import msgspec
import pytest

from golddiff.errors import InputError, WorkspaceError
from golddiff.rights.redact import redact_transcript
from golddiff.store import ImportChange, Location, Store
from golddiff.store.schema import INLINE_CHARS
from golddiff.types import Clean, Event, EventKind, RedactedSession, Repository, Session, Transcript, new_id


def transcript(hashes: tuple[str, ...], provider_id: str | None = "p1", text: str = "hello") -> RedactedSession:
    session = Session[Clean](
        id=new_id("ses"), source="claude-code", provider_session_id=provider_id, record_hashes=hashes
    )
    events = tuple(
        Event[Clean](id="", session_id=session.id, sequence=number, kind=EventKind.PROMPT, text=Clean(text + value))
        for number, value in enumerate(hashes)
    )
    return Transcript(session, events)


def test_a_transcript_comes_back_as_it_was_stored(place: Location) -> None:
    long = "x" * (INLINE_CHARS + 1)
    with Store.open(place) as store:
        change, session_id = store.add_transcript(transcript(("a", "b"), text=long))
        assert change is ImportChange.NEW
    with Store.open(place, write=False) as store:
        events = store.events(session_id)
    assert [event.text for event in events] == [long + "a", long + "b"]
    assert [event.id for event in events] == [f"{session_id}/0", f"{session_id}/1"]


@pytest.mark.parametrize(
    ("second", "change", "sessions", "events"),
    [
        (("a", "b"), ImportChange.SAME, 1, 2),
        (("a", "b", "c"), ImportChange.GREW, 1, 3),
        (("a",), ImportChange.OLDER, 1, 2),
        (("a", "x"), ImportChange.DIVERGED, 2, 4),
    ],
)
def test_importing_again_adds_nothing_updates_growth_and_keeps_divergence_apart(
    place: Location, second: tuple[str, ...], change: ImportChange, sessions: int, events: int
) -> None:
    with Store.open(place) as store:
        _, first_id = store.add_transcript(transcript(("a", "b")))
        got, second_id = store.add_transcript(transcript(second))
        assert got is change
        assert store.count(Session) == sessions
        assert store.count(Event) == events
        assert (second_id == first_id) is (change is not ImportChange.DIVERGED)


def test_a_session_without_a_provider_id_is_matched_by_its_content(place: Location) -> None:
    with Store.open(place) as store:
        store.add_transcript(transcript(("a",), provider_id=None))
        change, _ = store.add_transcript(transcript(("a",), provider_id=None))
        assert change is ImportChange.SAME


def test_a_session_without_a_provider_id_grows_in_its_own_file_only(place: Location) -> None:
    def of(path: str, *hashes: str) -> RedactedSession:
        made = transcript(hashes, provider_id=None)
        return Transcript(msgspec.structs.replace(made.session, source_path=Clean(path)), made.events)

    with Store.open(place) as store:
        _, first = store.add_transcript(of("/a", "1"))
        assert store.add_transcript(of("/a", "1", "2")) == (ImportChange.GREW, first)
        assert store.add_transcript(of("/a", "1")) == (ImportChange.OLDER, first)
        assert store.add_transcript(of("/b", "1", "2", "3"))[0] is ImportChange.NEW
        assert store.add_transcript(of("/a", "1", "9"))[0] is ImportChange.NEW


def test_a_session_that_grew_keeps_whose_it_is_where_the_import_does_not_say(place: Location) -> None:
    stated = transcript(("a",))
    header = msgspec.structs.replace(stated.session, subject="user-7", parent_id="ses_parent")
    with Store.open(place) as store:
        store.add_transcript(Transcript(header, stated.events))
        change, session_id = store.add_transcript(transcript(("a", "b")))
        grown = store.get(Session, session_id)
        assert change is ImportChange.GREW
        assert (grown.subject, grown.parent_id) == ("user-7", "ses_parent")


def test_equal_long_texts_are_stored_once(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for provider_id in ("p1", "p2"):
            store.add_transcript(transcript(("a",), provider_id, text="y" * 5000))
    connection = apsw.Connection(str(tmp_path / "golddiff.sqlite"))
    assert connection.execute("SELECT count(*) FROM blobs").get == 1
    connection.close()


def test_a_failed_transaction_leaves_nothing(place: Location) -> None:
    with Store.open(place) as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.put(Repository(id=f"repo_{store.count(Repository)}", name="a"))
            store.put(Repository(id=f"repo_{1 // 0}", name="b"))
        assert store.count(Repository) == 0


def test_lineage_is_walked_in_both_directions(place: Location) -> None:
    with Store.open(place) as store:
        store.put(Repository(id="repo_1", name="a"))
        store.put(Repository(id="repo_2", name="b"), parents=["repo_1"])
        assert store.children("repo_1") == ["repo_2"]
        assert store.parents("repo_2") == ["repo_1"]
        store.put(Repository(id="repo_2", name="c"))
        assert store.parents("repo_2") == ["repo_1"], "a record put again without parents keeps them"
        store.put(Repository(id="repo_3", name="d"), Repository(id="repo_2", name="c"), parents=["repo_0", "repo_1"])
        assert store.parents("repo_2") == ["repo_0", "repo_1"]
        store.put(Repository(id="repo_3", name="d"), parents=["repo_0"])
        assert store.children("repo_1") == ["repo_2"], "parents that no longer hold are gone"
        store.remove(Repository, "repo_2")
        assert store.children("repo_1") == []


def test_an_abbreviated_id_must_be_unique(place: Location) -> None:
    with Store.open(place) as store:
        store.put(Repository(id="repo_abc", name="a"), Repository(id="repo_abd", name="b"))
        assert store.resolve("repo_abc") == (Repository, "repo_abc")
        assert store.resolve("abd") == (Repository, "repo_abd")
        with pytest.raises(InputError, match="ambiguous"):
            store.resolve("repo_ab")
        with pytest.raises(InputError, match="nothing here"):
            store.resolve("nope")


def test_a_session_is_found_by_the_id_that_its_client_gave_it(place: Location) -> None:
    with Store.open(place) as store:
        for name in ("conversation-1", "conversation-2", "conversation-2"):
            session = Session[str](
                id=f"ses_{store.count(Session)}", source=f"client {store.count(Session)}", provider_session_id=name
            )
            store.add_transcript(redact_transcript(Transcript(session, ())))
        assert store.resolve("conversation-1") == (Session, "ses_0")
        with pytest.raises(InputError, match="ambiguous: ses_1, ses_2"):
            store.resolve("conversation-2")


def test_a_second_writer_is_refused_and_a_reader_is_not(place: Location) -> None:
    with Store.open(place) as store:
        store.put(Repository(id="repo_1", name="a"))
        with pytest.raises(WorkspaceError, match="another golddiff is writing"):
            Store.open(place)
        with Store.open(place, write=False) as reader:
            assert reader.count(Repository) == 1


def test_a_missing_workspace_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="golddiff import"):
        Store.open(tmp_path / "none", write=False)


def test_a_corrupt_workspace_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "golddiff.sqlite").write_bytes(b"not a database, " * 100)
    with pytest.raises(WorkspaceError, match="damaged"):
        Store.open(tmp_path)


def test_damage_inside_the_database_is_a_clear_error_whatever_is_asked(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for number in range(50):
            store.put(Repository(id=f"rep_{number}", name="x" * 200), parents=(f"p{number}" * 20,))
        sql = "SELECT rootpage FROM sqlite_master WHERE tbl_name IN ('repositories', 'lineage')"
        roots = [row[0] for row in store.database.execute(sql)]
    path = tmp_path / "golddiff.sqlite"
    data = bytearray(path.read_bytes())
    for page in roots:
        data[(page - 1) * 4096 : (page - 1) * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)
    with Store.open(tmp_path, write=False) as store:
        for ask in (
            lambda: store.count(Repository),
            lambda: store.parents("rep_1"),
            lambda: store.children("p1"),
            lambda: store.resolve("rep_1"),
        ):
            with pytest.raises(WorkspaceError, match="damaged"):
                ask()


def test_a_damaged_blob_is_never_returned(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        _, session_id = store.add_transcript(transcript(("a",), text="z" * 5000))
    connection = apsw.Connection(str(tmp_path / "golddiff.sqlite"))
    connection.execute("UPDATE blobs SET data = ?", (b"\x28\xb5\x2f\xfd rubbish",))
    connection.close()
    with Store.open(tmp_path) as store, pytest.raises(WorkspaceError, match="damaged"):
        store.events(session_id)


def test_a_workspace_of_a_newer_golddiff_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / "golddiff.sqlite"))
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(WorkspaceError, match="upgrade golddiff"):
        Store.open(tmp_path)


_WRITER = """
import os, sys
from pathlib import Path
from golddiff.store import Store
from golddiff.types import Repository
store = Store.open(Path(sys.argv[1]))
for number in range(10_000):
    store.put(Repository(id=f"repo_{number}", name="x" * 2000 + str(number)))
    os.write(1, f"{number}\\n".encode())
"""


def test_an_acknowledged_record_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(50)]
    process.kill()
    rest = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    acknowledged += [line for line in rest if line.endswith(b"\n")]
    with Store.open(tmp_path) as store:
        for line in acknowledged:
            number = int(line)
            assert store.get(Repository, f"repo_{number}").name.endswith(str(number))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.put(Repository(id="repo_1", name="a"))
        pages = store.database.execute("PRAGMA page_count")[0][0]
        store.database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(WorkspaceError, match="full"):
            store.put(*(Repository(id=f"repo_x{n}", name=os.urandom(600).hex()) for n in range(500)))
        assert store.count(Repository) == 1


def test_an_abbreviated_session_id_does_not_mean_its_events(place: Location) -> None:
    with Store.open(place) as store:
        store.put(Session[Clean](id="ses_1", source="codex"))
        store.put(Event[Clean](id="ses_1/0", session_id="ses_1", sequence=0, kind=EventKind.PROMPT))
        assert store.resolve("ses")[1] == "ses_1"
        assert store.resolve("ses_1/0") == (Event, "ses_1/0")
        assert store.count(Event, session_id="ses_1", kind="prompt") == 1


def test_text_that_a_database_cannot_hold_comes_back_exactly_and_is_found(place: Location) -> None:
    odd = ("a\0b", "half \ud83d", "é" * 3000, "\uffff" * 3, "\\u0000", "x" * 70_000)
    with Store.open(place) as store:
        for number, text in enumerate(odd):
            store.put(Session[Clean](id=f"ses_{number}", source="codex", provider_session_id=text, subject=text))
            store.put(Event[Clean](id=f"ev_{number}", session_id="s", sequence=number, kind=EventKind.NOTE, tool=text))
        for number, text in enumerate(odd):
            found = list(store.sessions(provider_session_id=text))
            assert [(one.id, one.subject) for one in found] == [(f"ses_{number}", text)]
        assert tuple(event.tool for event in store.events("s")) == odd


def test_many_blobs_are_read_and_written_in_few_queries(place: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golddiff.store.backends.contract._QUERIES", (1, 3, 8))
    monkeypatch.setattr("golddiff.store.store._READ_ROWS", 7)
    texts = [f"{number} " * 1200 for number in range(21)]
    with Store.open(place) as store:
        _, session_id = store.add_transcript(
            Transcript(
                Session[Clean](id="ses_1", source="codex", record_hashes=("a",)),
                tuple(
                    Event[Clean](id="", session_id="", sequence=number, kind=EventKind.NOTE, text=Clean(text))
                    for number, text in enumerate([*texts, *texts])
                ),
            )
        )
        assert [event.text for event in store.events(session_id)] == [*texts, *texts]


def test_an_error_in_the_middle_of_a_read_leaves_the_store_usable(place: Location) -> None:
    with Store.open(place) as store:
        store.put(*(Repository(id=f"rep_{number}", name="a") for number in range(3)))
        found = store.find(Repository)
        next(found)
        found.close()  # type: ignore[attr-defined]
        store.remove(Repository, "rep_0")
        assert store.count(Repository, name="a") == 2


def test_a_workspace_that_was_made_for_nothing_is_taken_away_again(tmp_path: Path) -> None:
    with pytest.raises(InputError), Store.open(tmp_path / "new"):
        raise InputError("wrong path")
    assert not (tmp_path / "new").exists()


def test_a_workspace_that_holds_something_stays_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(InputError), Store.open(tmp_path / "new") as store:
        store.put(Repository(id="rep_1", name="a"))
        raise InputError("wrong path")
    with pytest.raises(InputError), Store.open(tmp_path / "new"):
        raise InputError("wrong path")
    with Store.open(tmp_path / "new", write=False) as store:
        assert store.count(Repository) == 1


def test_an_empty_workspace_that_was_there_before_stays(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with pytest.raises(InputError), Store.open(tmp_path):
        raise InputError("wrong path")
    Store.open(tmp_path, write=False).close()


def test_a_file_beside_a_workspace_that_was_made_for_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    with pytest.raises(InputError), Store.open(tmp_path):
        raise InputError("wrong path")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "gateway"]


def test_a_writer_that_may_not_make_a_workspace_names_the_command_that_does(place: Location) -> None:
    with pytest.raises(InputError, match="golddiff import"):
        Store.open(place, make=False)
    Store.open(place).close()
    Store.open(place, make=False).close()

"""A repository's history becomes rows: subject, window before, window after; what an agent signed is an agent's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from golddiff.curate import CurateConfig, Row, Tally, from_history
from golddiff.curate.kinds.history import rows_from_history
from golddiff.errors import InputError, RightsError
from golddiff.git import GitRepository
from golddiff.rights import redact_text, redact_transcript
from golddiff.store import Store
from golddiff.store.datasets import read_dataset
from golddiff.store.repositories import remember_repository
from golddiff.types import Commit, CommitLink, Outcome, Repository, Session, SessionState, Transcript

MIT = Path(__file__).parents[3] / "src/golddiff/rights/licences/MIT.txt"


class History:
    """A repository under construction: one commit a day."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.days = 0
        self._git("init", "-q", "-b", "main")

    def _git(self, *arguments: str) -> None:
        moment = f"2026-01-{self.days + 1:02d}T12:00:00+00:00"
        identity = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        environment = os.environ | identity | {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, env=environment, capture_output=True)

    def commit(self, message: str, **files: str) -> None:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_py", ".py").replace("_md", ".md")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", message)
        self.days += 1


def code(**values: int) -> str:
    lines = [f"value_{number} = {number}\n" for number in range(30)]
    for name, value in values.items():
        number = int(name[1:])
        lines[number] = f"value_{number} = {value}  # changed to {value}\n"
    return "".join(lines)


@pytest.fixture
def history(tmp_path: Path) -> History:
    folder = tmp_path / "project"
    folder.mkdir()
    made = History(folder)
    made.commit("Start the project", LICENSE=MIT.read_text(), a_py=code(), b_py=code())
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "workspace")


def rows(store: Store, history: History, **settings: object) -> tuple[list[Row], Tally]:
    tally = Tally()
    with GitRepository.open(history.folder) as git:
        repository = remember_repository(store, git)
        config = CurateConfig(name="x", **settings)  # type: ignore[arg-type]
        return list(rows_from_history(store, repository, git, config, tally)), tally


def test_each_hunk_becomes_a_window_with_the_subject_as_instruction(history: History, store: Store) -> None:
    history.commit("Change two values (#12)", a_py=code(v3=100, v20=200))
    found, _ = rows(store, history, context_lines=1)
    assert [row.example.instruction for row in found] == ["Change two values", "Change two values"]
    first = found[0].example
    assert first.path == "a.py"
    assert first.start_line == 3
    assert first.before == "value_2 = 2\nvalue_3 = 3\nvalue_4 = 4\n"
    assert first.after == "value_2 = 2\nvalue_3 = 100  # changed to 100\nvalue_4 = 4\n"
    assert first.provenance.written_by == "human"
    assert first.provenance.licence == "MIT"
    assert first.at.isoformat() == "2026-01-02T12:00:00+00:00"


def test_rows_descend_from_their_commit_and_the_commit_from_its_repository(history: History, store: Store) -> None:
    history.commit("Change a value", a_py=code(v3=100))
    found, _ = rows(store, history)
    (commit_id,) = found[0].parents
    commit = store.get(Commit, commit_id)
    assert commit.subject == "Change a value"
    assert store.parents(commit_id) == [next(store.find(Repository)).id]


def test_what_is_left_out_is_counted_by_reason(history: History, store: Store) -> None:
    history.commit("wip", a_py=code(v1=1000))
    history.commit("Bump x from 1 to 2", a_py=code(v2=1000))
    history.commit("Reformat everything", a_py=code(v2=1000).replace(" = ", "  =  "))
    history.commit("Add a vendored file", vendor__x_py="x = 1\n", b_py=code(v1=1))
    found, tally = rows(store, history)
    assert [row.example.path for row in found] == ["b.py"]
    assert tally.dropped["commit: first commit"] == 1
    assert tally.dropped["commit: subject says nothing"] == 1
    assert tally.dropped["commit: bot or release"] == 1
    assert tally.dropped["file: only reformats"] == 1
    assert tally.dropped["file: vendored or built"] == 1


def test_a_secret_in_a_file_name_is_hidden_too(history: History, store: Store) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    history.commit("Add a badly named file", **{f"{secret}_py": code()})
    history.commit("Change the badly named file", **{f"{secret}_py": code(v3=100)})
    found, _ = rows(store, history)
    assert [row.example.path for row in found] == ["[REDACTED:github-token].py"]
    assert not any(secret in repr(commit) for commit in store.find(Commit))


def test_only_included_paths_make_rows(history: History, store: Store) -> None:
    history.commit("Change both files", a_py=code(v3=100), b_py=code(v4=100))
    found, tally = rows(store, history, include=("b*",))
    assert [row.example.path for row in found] == ["b.py"]
    assert tally.dropped["file: outside the included paths"] == 1


def test_a_file_without_a_newline_at_its_end_fits(history: History, store: Store) -> None:
    history.commit("Drop the newline", a_py=code().rstrip("\n"))
    history.commit("Change the last line", a_py=code(v29=7).rstrip("\n"))
    found, tally = rows(store, history)
    assert "file: patch does not fit the file" not in tally.dropped
    assert "Change the last line" in {row.example.instruction for row in found}


def test_a_commit_that_an_agent_signed_is_denied_and_counted(history: History, store: Store) -> None:
    history.commit("Change one value", a_py=code(v3=100))
    history.commit("Change another value\n\nCo-Authored-By: Claude <noreply@anthropic.com>", a_py=code(v3=100, v20=1))
    built = from_history(store, history.folder, CurateConfig(name="ours"))
    dataset = built.datasets["accepted"]
    assert dataset.rows == {"train": 1, "test": 0}
    assert sum(dataset.denied.values()) == 1
    assert next(iter(dataset.denied)).startswith("terms: forbidden (claude")


def test_a_commit_that_a_recorded_session_made_is_the_agents_whoever_signed_it(history: History, store: Store) -> None:
    history.commit("Change one value", a_py=code(v3=100))
    with GitRepository.open(history.folder) as git:
        repository = remember_repository(store, git)
        sha = (git.default_branch() or ("", ""))[1]
    session = Session[str](id="ses_1", source="test", models=("claude-opus-4-5",))
    store.add_transcript(redact_transcript(Transcript(session, ())))
    store.put(
        Outcome(
            id="out_1",
            session_id="ses_1",
            repository_id=repository.id,
            state=SessionState.ACCEPTED,
            confidence=0.9,
            commits=(CommitLink(sha=sha, confidence=0.9),),
            gold_patch=redact_text(""),
            method="test",
        )
    )
    (found,), _ = rows(store, history)
    assert found.example.provenance.written_by == "agent"
    assert found.example.provenance.model == "claude-opus-4-5"
    assert found.example.provenance.session_id == "ses_1"
    with pytest.raises(RightsError, match="terms: forbidden"):
        from_history(store, history.folder, CurateConfig(name="ours"))


@pytest.mark.parametrize("order", [("simulated", "closed"), ("closed", "simulated")])
def test_of_several_sessions_in_one_commit_one_that_may_not_be_trained_on_decides(
    history: History, store: Store, order: tuple[str, str]
) -> None:
    history.commit("Change one value", a_py=code(v3=100))
    with GitRepository.open(history.folder) as git:
        sha = (git.default_branch() or ("", ""))[1]
    models = {"simulated": "golddiff-simulated", "closed": "claude-opus-4-5"}
    for number, kind in enumerate(order):
        session = Session[str](id=f"ses_{number}", source="test", models=(models[kind],), record_hashes=(kind,))
        store.add_transcript(redact_transcript(Transcript(session, ())))
        store.put(
            Outcome(
                id=f"out_{number}",
                session_id=f"ses_{number}",
                repository_id="rep_of_another_clone",
                state=SessionState.ACCEPTED,
                confidence=0.9,
                commits=(CommitLink(sha=sha, confidence=0.9),),
                gold_patch=redact_text(""),
                method="test",
            )
        )
    with pytest.raises(RightsError, match="terms: forbidden"):
        from_history(store, history.folder, CurateConfig(name="ours"))


def test_a_repository_without_a_licence_is_not_trained_on(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    made = History(folder)
    made.commit("Start the project", a_py=code())
    made.commit("Change one value", a_py=code(v3=100))
    with pytest.raises(RightsError, match="licence: denied"):
        from_history(store, folder, CurateConfig(name="ours"))
    assert [known.name for known in store.find(Repository)] == ["bare"]  # so that its licence can be stated


def test_a_dataset_of_a_history_is_split_by_time_and_comes_out_the_same_again(
    history: History, store: Store, tmp_path: Path
) -> None:
    for day in range(10):
        history.commit(f"Change value {day}", a_py=code(**{f"v{3 * d}": 100 + d for d in range(day + 1)}))
    first = from_history(store, history.folder, CurateConfig(name="ours", near_duplicates=None))
    again = from_history(store, history.folder, CurateConfig(name="ours", near_duplicates=None))
    with Store.open(tmp_path / "elsewhere") as elsewhere:
        other = from_history(elsewhere, history.folder, CurateConfig(name="ours", near_duplicates=None))
    dataset = first.datasets["accepted"]
    assert dataset.id == again.datasets["accepted"].id == other.datasets["accepted"].id
    train = list(read_dataset(store, "ours", "train"))
    test = list(read_dataset(store, "ours", "test"))
    assert (len(train), len(test)) == (8, 2)
    assert max(example.at for example in train) < min(example.at for example in test)


def test_a_path_outside_any_repository_is_a_clear_error(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match="not in a git repository"):
        from_history(store, tmp_path, CurateConfig(name="ours"))

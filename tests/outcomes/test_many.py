"""A folder of repositories: whose session is it, and the same records wherever they are decided."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from golddiff.errors import InputError
from golddiff.git import GitRepository
from golddiff.outcomes import many
from golddiff.outcomes.many import Everywhere, compute_below, repositories_below
from golddiff.outcomes.survival.stored import lines_file
from golddiff.parallel import Workers
from golddiff.store import Store
from golddiff.types import Attempt, Commit, Outcome, Repository, Survival
from outcomes.world import Recorder, World, feature

RECORDS = (Repository, Commit, Outcome, Attempt, Survival)


class Folder:
    """Two repositories with a session each, built like the world that linking is tested in."""

    def __init__(self, folder: Path, store: Store, template: Path) -> None:
        self.folder, self.store = folder, store
        (folder / "src" / "team").mkdir(parents=True)
        self.shop = World(folder / "src" / "shop", store, template)
        self.site = World(folder / "src" / "team" / "site", store, template)
        self.sessions = {world.folder.name: self.work(world).save() for world in (self.shop, self.site)}

    def work(self, world: World, name: str = "first", *, cwd: str | None = None) -> Recorder:
        """A session that writes a feature, which is committed."""
        path = f"src/{name}_{world.folder.name}.py"
        recorder = world.session(f"{name}-{world.folder.name}").prompt()
        recorder.session = msgspec.structs.replace(recorder.session, cwd=cwd or recorder.session.cwd)
        recorder.write(path, feature(f"{name}_{world.folder.name}"))
        world.commit(f"add {name}")
        return recorder

    def decide(self, workers: Workers | None = None) -> Everywhere:
        """Run over the folder."""
        return compute_below(self.store, self.folder / "src", workers=workers)

    def states(self) -> dict[str, dict[str, str]]:
        """Repository → session → state."""
        names = {found.id: found.name for found in self.store.find(Repository)}
        every: dict[str, dict[str, str]] = {}
        for outcome in self.store.find(Outcome):
            every.setdefault(names[outcome.repository_id], {})[outcome.session_id] = outcome.state.value
        return every


@pytest.fixture
def source(tmp_path: Path, template: Path) -> Iterator[Folder]:
    """The folder and its store."""
    with Store.open(tmp_path / "workspace") as store:
        yield Folder(tmp_path, store, template)


def records(store: Store) -> bytes:
    """Everything that the stage stores, and what it keeps of the lines, byte for byte."""
    parts = [msgspec.msgpack.encode(record) for kind in RECORDS for record in store.find(kind)]
    files = [lines_file(store, found.id) for found in store.find(Repository)]
    return b"".join(parts + [file.read_bytes() for file in files])


def test_each_session_is_given_to_the_repository_that_it_ran_in(source: Folder) -> None:
    every = source.decide()
    assert source.states() == {name: {session: "accepted"} for name, session in source.sessions.items()}
    assert [(row.path.name, len(row.sessions), row.error) for row in every.rows] == [
        ("shop", 1, None),
        ("site", 1, None),
    ]
    assert not every.nowhere


def test_a_folder_decides_the_same_as_one_repository_after_the_other(source: Folder, tmp_path: Path) -> None:
    for world in (source.shop, source.site):
        world.outcomes()
    alone = records(source.store)
    source.decide()
    assert records(source.store) == alone


@pytest.mark.parametrize("workers", [Workers(jobs=2), Workers(ray="auto")], ids=["processes", "ray"])
def test_workers_give_the_same_records_byte_for_byte(source: Folder, workers: Workers, tmp_path: Path) -> None:
    if workers.ray:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'golddiff[ray]')")
        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    source.work(source.shop, "second").save()
    shutil.copytree(source.store.root, tmp_path / "other", ignore=shutil.ignore_patterns("lock", "*.lock"))
    source.decide()
    with Store.open(tmp_path / "other") as other:
        compute_below(other, source.folder / "src", workers=workers)
        assert records(other) == records(source.store)
        assert other.count(Survival) == 3
    if workers.ray:
        ray.shutdown()


def test_a_repository_that_cannot_be_read_is_a_row_and_stops_no_other(source: Folder) -> None:
    broken = source.folder / "src" / "broken"
    shutil.copytree(source.shop.folder, broken)
    source.work(source.shop, "third", cwd=str(broken)).save()
    listed = source.shop.git("-C", str(broken), "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    for name, kind, _ in map(str.split, listed):
        if kind == "tree":
            (broken / ".git" / "objects" / name[:2] / name[2:]).unlink()
    (source.folder / "src" / "gone").mkdir()
    (source.folder / "src" / "gone" / ".git").write_text("gitdir: /nowhere/at/all\n")
    every = source.decide()
    assert [(row.path.name, str(row.error).startswith(f"{row.path}: ")) for row in every.failed] == [
        ("broken", True),
        ("gone", True),
    ]
    assert source.states().keys() == {"shop", "site"}


def test_a_session_from_elsewhere_is_given_to_the_repository_whose_files_it_edited(source: Folder) -> None:
    recorder = source.shop.session("away").prompt()
    recorder.session = msgspec.structs.replace(recorder.session, cwd="/home/another/machine")
    recorder.replace("src/first_shop.py", "first_shop_step_0 = compute", "first_shop_step_0 = recompute")
    source.shop.commit("change")
    session = recorder.save()
    source.decide()
    assert source.states()["shop"][session] == "accepted"
    assert session not in source.states()["site"]


def test_where_repositories_are_many_few_object_readers_run_at_once(
    source: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a process with two pipes, and a process may have no more than some hundred files."""
    monkeypatch.setattr(many, "_MOST_READERS", 1)
    recorder = source.shop.session("away").prompt()
    recorder.session = msgspec.structs.replace(recorder.session, cwd="/home/another/machine")
    recorder.replace("src/module_1.py", "found = self.items_1", "found = self.kept_1")  # both are asked for it
    session = recorder.save()
    opened: list[GitRepository] = []
    running: list[int] = []
    really, asked = GitRepository.open, many.belongs

    def tracked(path: Path) -> GitRepository:
        opened.append(really(path))
        return opened[-1]

    def counted(*arguments: Any) -> tuple[bool | None, str]:
        verdict = asked(*arguments)
        running.append(sum(git._reader is not None for git in opened))
        return verdict

    monkeypatch.setattr(GitRepository, "open", tracked)
    monkeypatch.setattr(many, "belongs", counted)
    assert session in source.decide().nowhere
    assert running == [1, 1]


def test_a_session_that_two_repositories_may_have_is_left_alone_and_both_are_named(source: Folder) -> None:
    recorder = source.shop.session("both").prompt()
    recorder.session = msgspec.structs.replace(recorder.session, cwd="/home/another/machine")
    recorder.replace("src/module_1.py", "found = self.items_1", "found = self.kept_1")  # both have this very file
    session = recorder.save()
    reason = source.decide().nowhere[session]
    assert str(source.shop.folder) in reason
    assert str(source.site.folder) in reason


def test_checkouts_of_one_repository_are_one_and_read_where_the_sessions_ran(source: Folder) -> None:
    shutil.copytree(source.site.folder, source.folder / "src" / "a-copy")
    for folder in (source.site.folder, source.folder / "src" / "a-copy"):
        source.site.git("-C", str(folder), "remote", "add", "origin", "https://example.test/team/site.git")
    every = source.decide()
    row = next(row for row in every.rows if row.copies)
    assert (row.path, row.copies) == (source.site.folder, [source.folder / "src" / "a-copy"])
    assert [row.path.name for row in every.rows] == ["shop", "site"]


def test_an_outcome_in_a_repository_that_a_session_is_not_given_to_any_more_is_removed(source: Folder) -> None:
    source.decide()
    [outcome] = [found for found in source.store.find(Outcome) if found.session_id == source.sessions["shop"]]
    site = next(found for found in source.store.find(Repository) if found.name == "site")
    wrong = msgspec.structs.replace(outcome, id="out_wrong", repository_id=site.id)
    source.store.put(wrong, parents=(outcome.session_id,))
    source.decide()
    assert source.store.count(Outcome, id="out_wrong") == 0


def test_only_folders_that_hold_repositories_are_taken(source: Folder) -> None:
    (source.folder / "empty" / "node_modules").mkdir(parents=True)
    shutil.copytree(source.shop.folder, source.folder / "empty" / "node_modules" / "package")
    assert repositories_below(source.shop.folder) == [source.shop.folder]
    with pytest.raises(InputError, match="no git repository below"):
        repositories_below(source.folder / "empty")
    with pytest.raises(InputError, match="is no folder"):
        repositories_below(source.folder / "absent")

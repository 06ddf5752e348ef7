"""One repository has one id however its remote is written, and its licence is read from its own files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from golddiff.git import GitRepository
from golddiff.rights import redact_text
from golddiff.store import Store
from golddiff.store.repositories import describe_repository, remember_repository
from golddiff.types import Repository


def repository(folder: Path, remote: str | None = None) -> Path:
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    if remote:
        subprocess.run(["git", "remote", "add", "origin", remote], cwd=folder, check=True)
    return folder


def described(folder: Path) -> Repository:
    with GitRepository.open(folder) as git:
        return describe_repository(git)


def test_all_ways_to_write_a_remote_are_one_repository(tmp_path: Path) -> None:
    addresses = [
        "https://git.example.org/team/project.git",
        "https://git.example.org/team/project",
        "https://oauth2:hunter2hunter2x@GIT.example.org/team/project.git",
        "git@git.example.org:team/project.git",
        "ssh://git@git.example.org:2222/team/project.git",
    ]
    found = [described(repository(tmp_path / str(number), address)) for number, address in enumerate(addresses)]
    assert len({record.id for record in found}) == 1
    assert {record.name for record in found} == {"team/project"}
    assert not any("hunter2" in repr(record) for record in found)


def test_a_repository_without_a_remote_is_named_by_its_folder(tmp_path: Path) -> None:
    first, second = described(repository(tmp_path / "one")), described(repository(tmp_path / "two"))
    assert first.id != second.id
    assert (first.name, first.url, first.licence) == ("one", None, None)


def test_a_folder_whose_name_is_no_text_is_a_repository_too(tmp_path: Path) -> None:
    folder = repository(tmp_path / os.fsdecode(b"caf\xe9"))
    with Store.open(tmp_path / "workspace") as store, GitRepository.open(folder) as git:
        assert remember_repository(store, git).name == "caf\ufffd"


def test_a_licence_that_someone_stated_is_kept(tmp_path: Path) -> None:
    folder = repository(tmp_path / "one")
    with Store.open(tmp_path / "workspace") as store, GitRepository.open(folder) as git:
        found = remember_repository(store, git)
        assert store.get(Repository, found.id).licence is None
        store.put(msgspec.structs.replace(found, licence="MIT", licence_source=redact_text("stated by Ada")))
        assert remember_repository(store, git).licence == "MIT"


def test_a_licence_file_that_is_gone_is_no_licence(tmp_path: Path) -> None:
    folder = repository(tmp_path / "one")
    with Store.open(tmp_path / "workspace") as store, GitRepository.open(folder) as git:
        found = remember_repository(store, git)
        store.put(msgspec.structs.replace(found, licence="MIT", licence_source=redact_text("COPYING, LICENSE.txt")))
        assert remember_repository(store, git).licence is None


@pytest.mark.parametrize("remote", ["/srv/git/project.git", "file:///srv/git/project.git", "../project"])
def test_a_remote_that_is_a_path_is_no_error(tmp_path: Path, remote: str) -> None:
    assert described(repository(tmp_path / "one", remote)).name

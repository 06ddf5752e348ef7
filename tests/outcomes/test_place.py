"""Sessions find their repository, and their paths their place in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from golddiff.git import GitRepository
from golddiff.outcomes.place import Headers, blob_id, find_placement, plain_url
from golddiff.rights.redact import redact_transcript
from golddiff.types import Event, EventKind, FileEdit, Session, Transcript
from outcomes.world import World

KNOWN = {"src/app/main.py", "src/app/views.py", "README.md", "docs/index.md"}


def placed(cwd: str | None, *paths: str, known: set[str] = KNOWN) -> list[str | None]:
    """Places of edited paths."""
    events = tuple(
        Event[str](
            id=str(index),
            session_id="s",
            sequence=index,
            kind=EventKind.EDIT,
            edit=FileEdit[str](path=path, operation="update"),
        )
        for index, path in enumerate(paths)
    )
    clean = redact_transcript(Transcript(Session[str](id="s", source="test", cwd=cwd), events))
    placement = find_placement(clean.session, clean.events, known)
    return [placement(path) for path in paths]


def test_a_folder_that_cannot_be_looked_into_decides_nothing(world: World) -> None:
    raw = Transcript(Session[str](id="s", source="test", cwd="/" + "x" * 5000), ())
    with GitRepository.open(world.folder) as git:
        assert Headers(git).decide(redact_transcript(raw).session) is None


def test_relative_paths_at_the_root_are_themselves() -> None:
    assert placed("/home/u/product", "src/app/main.py", "new.py") == ["src/app/main.py", "new.py"]


def test_a_session_in_a_subfolder_finds_the_root() -> None:
    assert placed("/home/u/product/src", "app/main.py", "/home/u/product/docs/index.md") == [
        "src/app/main.py",
        "docs/index.md",
    ]


def test_edits_in_a_second_worktree_find_that_root() -> None:
    tree = "/home/u/product__worktrees/topic"
    assert placed("/home/u/product", f"{tree}/src/app/main.py", f"{tree}/src/app/views.py", "README.md") == [
        "src/app/main.py",
        "src/app/views.py",
        "README.md",
    ]


def test_edits_in_a_second_worktree_alone_find_it_too() -> None:
    tree = "/home/u/product__worktrees/topic"
    assert placed("/home/u/product", f"{tree}/src/app/main.py", f"{tree}/src/app/new.py") == [
        "src/app/main.py",
        "src/app/new.py",
    ]


def test_a_folder_inside_that_looks_like_the_root_is_not_one() -> None:
    known = {"README.md", "src/main.py", "examples/small/README.md", "examples/small/src/main.py"}
    paths = ("examples/small/README.md", "examples/small/src/main.py", "examples/small/src/new.py")
    assert placed("/home/u/product", *paths, known=known) == list(paths)


def test_files_outside_and_inside_dot_git_have_no_place() -> None:
    assert placed("/home/u/product", "src/app/main.py", "/tmp/x.py", ".git/config", "../other/y.py") == [
        "src/app/main.py",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Owner/name.git",
        "git@github.com:owner/name.git",
        "ssh://git@github.com/owner/name/",
        "https://user:token@github.com/owner/name",
    ],
)
def test_one_repository_has_one_address(url: str) -> None:
    assert plain_url(url) == "github.com/owner/name"


def test_blob_ids_are_gits() -> None:
    assert blob_id("hello\n", 40) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_session_is_placed_by_folder_first_then_by_url(world: World, tmp_path: Path) -> None:
    world.git("remote", "add", "origin", "git@github.com:owner/product.git")
    (tmp_path / "plain").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "other")], check=True)

    def decide(**fields: str) -> bool | None:
        raw = Transcript(Session[str](id="s", source="test", **fields), ())
        with GitRepository.open(world.folder) as git:
            decided = Headers(git).decide(redact_transcript(raw).session)
        return decided and decided[0]

    ours, theirs = "https://github.com/Owner/product", "https://github.com/owner/else"
    assert decide(cwd=str(world.folder / "src")) is True
    assert decide(cwd=str(tmp_path / "other"), repository_url=ours) is False
    assert decide(cwd=str(tmp_path / "plain"), repository_url=ours) is True
    assert decide(cwd="/gone", repository_url=theirs) is False
    assert decide(cwd="/gone", repository_url="https://github.com/fork/product") is None
    assert decide(cwd="/gone") is None
    world.git("remote", "set-url", "origin", str(tmp_path / "mirrors" / "repo.git"))
    assert decide(cwd="/gone", repository_url=ours) is None  # where the clone came from says no name

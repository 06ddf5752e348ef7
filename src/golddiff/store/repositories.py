"""The record of a git repository: one id however it is reached, its name, and its licence as its own files state it.

`outcomes` and `curate` both meet repositories; they describe them here, so that a session's outcome and a row of the
same repository's history name the same record. The id comes from the first remote's address, or from the place on
this disk where there is no remote; credentials in an address are redacted before anything is derived from it.
"""

from __future__ import annotations

import re

import msgspec

from golddiff.git import GitRepository
from golddiff.rights import licence, redact_text
from golddiff.store.store import Store
from golddiff.types import Clean, Repository, derive_id

_ADDRESS = re.compile(r"^(?:[a-z+]+://)?(?:[^@/]*@)?([^:/]+)(?::\d+(?=/))?[:/](.+?)(?:\.git)?/?$")


def describe_repository(git: GitRepository) -> Repository:
    """Return the record of `git`'s repository, read from its remotes and the licence files of its default branch."""
    remotes = git.remotes()
    url = redact_text(remotes[0]) if remotes else None
    match = _ADDRESS.match(url) if url else None
    if match:
        host, path = match.groups()
        identity, name = f"{host.lower()}/{path}", "/".join(path.split("/")[-2:])
    else:
        folder = git.top or git.git_dir
        identity, name = str(git.common_dir), redact_text(folder.name.removesuffix(".git") or str(folder))
    branch = git.default_branch()
    detected = licence.detect(_licence_files(git, branch[1]) if branch else {})
    return Repository(
        id=repository_id(identity),
        name=name,
        url=url,
        licence=detected.spdx,
        licence_source=redact_text(detected.source) if detected.source else None,
    )


def repository_id(identity: str) -> str:
    """Return the id of the repository at a normalised address (`host/owner/name`) or a path."""
    return derive_id("rep", identity)


def commit_id(repository: str, sha: str) -> str:
    """Return the id of a commit's record, given its repository's."""
    return derive_id("com", repository, sha)


def remember_repository(store: Store, git: GitRepository) -> Repository:
    """Store the repository's record and return it; a licence that someone stated for it is kept."""
    return remember(store, describe_repository(git))


def remember(store: Store, found: Repository) -> Repository:
    """As `remember_repository`, of a repository that was described before."""
    for known in store.find(Repository, id=found.id):
        stated: Clean | None = known.licence_source
        read_from_files = stated is not None and all(map(licence.is_licence_file, stated.split(", ")))
        if found.licence is None and known.licence is not None and not read_from_files:
            found = msgspec.structs.replace(found, licence=known.licence, licence_source=stated)
        if found == known:
            return known
    store.put(found)
    return found


def _licence_files(git: GitRepository, commit: str) -> dict[str, str]:
    found = {}
    for path, blob in git.tree(commit).items():
        if licence.is_licence_file(path):
            found[path] = (git.blob(blob) or b"").decode("utf-8", "replace")
    return found

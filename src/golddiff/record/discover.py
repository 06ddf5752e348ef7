"""Find the transcripts of a repository among those that agents keep on this machine.

A transcript belongs to a repository if the agent was started in it, below it, or in one of its worktrees; some agents
also state the remote, which finds sessions of worktrees that are gone. Only the heads of files are read, and only
where agents keep theirs (`places` lists them). Nothing of the repository is run (`checkout`).

Not covered: what tools keep inside the repository itself (`golddiff import REPO` reads that), and trajectories of
benchmarks, which lie where their user said.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from golddiff.record.checkout import Repository, repository_of
from golddiff.record.places import PLACES, claude_homes, codex_home, copilot_home, qwen_home


def find_transcripts(repo: Path, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the transcripts of the repository that holds `repo`, in order of path.

    Sub-agents' files come with those of the sessions that started them. A folder without `.git` above it counts as
    a repository by itself.
    """
    return _transcripts(repository_of(repo), environment)


def find_transcripts_of(repos: Iterable[Path], environment: Mapping[str, str] = os.environ) -> list[Path]:
    """As `find_transcripts`, of several repositories; agents' folders are looked through once."""
    found = [repository_of(repo) for repo in repos]
    every = Repository(
        tuple(dict.fromkeys(root for repository in found for root in repository.roots)),
        frozenset().union(*(repository.remotes for repository in found)),
    )
    return _transcripts(every, environment)


def _transcripts(repository: Repository, environment: Mapping[str, str]) -> list[Path]:
    home = Path(environment.get("HOME") or Path.home())
    return sorted({path for place in PLACES for path in place(repository, environment, home)})


def transcript_homes(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders that `find_transcripts` looks in, for messages; those that do not exist are listed as well."""
    home = Path(environment.get("HOME") or Path.home())
    return [
        *(folder / "projects" for folder in claude_homes(environment, home)),
        codex_home(environment, home) / "sessions",
        copilot_home(environment, home) / "session-state",
        home / ".gemini" / "tmp",
        qwen_home(environment, home) / "projects",
        home / ".openhands" / "conversations",
    ]

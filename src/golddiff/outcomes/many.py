"""A folder of many repositories: find them, give each session to one of them, decide each, one after the other or many
at a time.

A session belongs to the repository whose checkout or worktree its folder is, else to the one that its URL names, else
to the one whose files it touched (`place`): a version of a file that it edited counts for more than known names. Where
that leaves two, the session is left alone and both are named, since a line has one origin. Checkouts of one repository
(the same first remote) are one: decided in the checkout that most sessions ran in.

How it fits: every repository is a chunk for `parallel.spread`. Its sessions travel with it and its records come back,
so that workers need the repository and nothing of the store, which has one writer: this process. What fails in one
repository is that repository's row. `cli.outcomes` and `cli.report` call this with `--below`.

Not covered: repositories inside repositories, submodules among them (what stands in a checkout is that checkout's
own), symbolic links, and commits that only another checkout of the same repository has.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from golddiff.errors import GolddiffError, InputError
from golddiff.git import GitRepository
from golddiff.outcomes.analyse import Progress
from golddiff.outcomes.decide import Decision, Material, Options, Summary, decide
from golddiff.outcomes.history import accepted_graph
from golddiff.outcomes.place import BY_CONTENT, Folders, Headers, belongs
from golddiff.outcomes.run import gather, keep
from golddiff.outcomes.told import load_events
from golddiff.parallel import Workers, spread
from golddiff.store import Store
from golddiff.store.repositories import describe_repository
from golddiff.store.signals import SignalBook
from golddiff.types import Clean, Outcome, Repository, Session

_MOST_READERS = 32
"""Repositories whose object readers may run at once while sessions are placed: each is a process with two pipes."""
_NEVER_ENTERED = frozenset({".git", ".golddiff", ".hg", ".venv", "__pycache__", "node_modules"})


@dataclass(slots=True)
class Found:
    """One repository below the folder."""

    path: Path
    """A checkout of it, or the bare repository."""
    repository: Repository | None = None
    """None where it could not be read."""
    sessions: list[Session[Clean]] = field(default_factory=list)
    """Those that are its own."""
    copies: list[Path] = field(default_factory=list)
    """Other checkouts of the same repository."""
    error: GolddiffError | None = None
    summary: Summary | None = None
    """What was decided; None where there was nothing to decide, or it failed."""


@dataclass(slots=True)
class Everywhere:
    """What one run over a folder decided."""

    rows: list[Found]
    """Every repository, in order of path."""
    nowhere: dict[str, str]
    """Sessions that were given to none, with the reason."""

    @property
    def failed(self) -> list[Found]:
        """Repositories that could not be decided."""
        return [row for row in self.rows if row.error is not None]

    @property
    def summaries(self) -> list[Summary]:
        """Of the repositories that were decided."""
        return [row.summary for row in self.rows if row.summary is not None]


def repositories_below(folder: Path) -> list[Path]:
    """Checkouts and bare repositories below `folder`, or `folder` itself, in order of path.

    Raises InputError where `folder` is no folder or holds none. Folders that may not be read are passed over.
    """
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise InputError(f"{folder} is no folder; give one that holds git repositories, e.g. --below ~/src.")
    found = []
    for at, names, files in os.walk(root):
        bare = "HEAD" in files and {"objects", "refs"} <= set(names)
        if ".git" in names or ".git" in files or bare:
            found.append(Path(at))
            names.clear()
        names[:] = sorted(name for name in names if name not in _NEVER_ENTERED)
    if not found:
        raise InputError(f"there is no git repository below {root}; give another folder, or one repository by --repo.")
    return sorted(found)


def compute_below(
    store: Store,
    folder: Path,
    options: Options | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Everywhere:
    """Decide and store what was kept of every session in every repository below `folder`.

    The result does not depend on `workers`. What fails in one repository is told in its row. Raises InputError where
    there is no repository.
    """
    book = SignalBook(store)
    options, workers = options or Options(), workers or Workers()
    tell = progress or (lambda text: None)
    every = survey(store, repositories_below(folder), book, tell)
    chosen = {str(row.path): row for row in every.rows if row.sessions and row.repository is not None}
    here = workers.ray is None and workers.jobs in (None, 1)
    work = partial(decide_at, progress=progress) if here else decide_at

    def said(name: str, count: int) -> None:
        tell(f"decided {count} of {len(chosen)} repositories; the last was {name}")

    tell(f"deciding {len(chosen)} repositories")
    for done in spread(work, _chunks(store, chosen.values(), book, options, travel=not here), workers, said):
        row = chosen[done.name]
        row.error = done.error
        if done.value is not None:
            _note_moved(store, row, done.value)
            keep(store, done.value)
            row.summary = done.value.summary
    return every


@dataclass(frozen=True, slots=True)
class Chunk:
    """One repository's work."""

    path: Path
    material: Material
    options: Options


def decide_at(chunk: Chunk, progress: Progress | None = None) -> Decision:
    """Decide one repository, wherever this runs."""
    material = chunk.material
    if material.lines is not None and not material.lines.parent.is_dir():  # another machine: nothing is kept there
        material = replace(material, lines=None)
    with GitRepository.open(chunk.path) as git:
        return decide(git, material, chunk.options, progress)


def _chunks(
    store: Store, rows: Iterable[Found], book: SignalBook, options: Options, *, travel: bool
) -> Iterator[tuple[str, Chunk]]:
    """One chunk for each repository; one that travels holds its events, another reads them when it needs them."""
    for row in rows:
        assert row.repository is not None
        material = gather(store, row.repository.id, row.sessions, book)
        if travel:
            events = {session.id: material.load(session.id) for session in row.sessions}
            material = replace(material, load=events.__getitem__, book=book.only(events))
        yield str(row.path), Chunk(row.path, material, options)


def _note_moved(store: Store, row: Found, decision: Decision) -> None:
    """Sessions with an outcome from an earlier run that were not given to this repository now: it is to be removed."""
    assert row.repository is not None
    mine = {session.id for session in row.sessions}
    for outcome in store.find(Outcome, repository_id=row.repository.id):
        if outcome.session_id not in mine:
            decision.summary.elsewhere[outcome.session_id] = "it was given to another repository, or to none"


# ------------------------------------------------------------------------------------------------ whose session is it


def survey(store: Store, paths: Sequence[Path], book: SignalBook, progress: Progress) -> Everywhere:
    """Describe the repositories and give every session of the store to one of them, or to none."""
    rows, opened = [], {}
    folders = Folders()
    headers: dict[str, Headers] = {}
    by_id: dict[str, Found] = {}
    for path in paths:
        progress(f"looking at {path}")
        row = Found(path)
        try:
            git = GitRepository.open(path)
            row.repository = describe_repository(git)
            git.close()
        except (GolddiffError, OSError) as error:
            row.error = InputError(f"{path}: {error}")
            rows.append(row)
            continue
        first = by_id.setdefault(row.repository.id, row)
        if first is not row:
            first.copies.append(path)
        else:
            rows.append(row)
        opened[str(path)] = git
        headers[str(path)] = Headers(git, folders)
    try:
        nowhere = _share_out(store, list(by_id.values()), headers, opened, book, progress)
    finally:
        for git in opened.values():
            git.close()
    return Everywhere(sorted(rows, key=lambda row: row.path), nowhere)


def _share_out(
    store: Store,
    rows: Sequence[Found],
    headers: Mapping[str, Headers],
    opened: Mapping[str, GitRepository],
    book: SignalBook,
    progress: Progress,
) -> dict[str, str]:
    """Give each session to one of `rows`; returns the others, with the reason."""
    nowhere: dict[str, str] = {}
    ran_in: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    known: dict[str, set[str]] = {}
    for count, session in enumerate(store.sessions(), 1):
        progress(f"placing session {count}")
        ranks: dict[str, tuple[int, str]] = {}
        maybe = []
        for row in rows:
            assert row.repository is not None
            places = [str(path) for path in (row.path, *row.copies)]
            decided = [(headers[place].decide(session), place) for place in places]
            sure = [(verdict[1], place) for verdict, place in decided if verdict is not None and verdict[0]]
            if inside := [place for why, place in sure if why == Headers.BY_FOLDER]:
                ranks[row.repository.id] = 5, inside[0]
            elif sure:
                ranks[row.repository.id] = 4, sure[0][1]
            elif any(verdict is None for verdict, _ in decided):
                maybe.append(row)
        if not ranks and maybe:
            ranks = _by_files(store, session, maybe, opened, known, book)
        best = max((rank for rank, _ in ranks.values()), default=0)
        first = {identity: place for identity, (rank, place) in ranks.items() if rank == best}
        if len(first) == 1:
            identity, place = next(iter(first.items()))
            next(row for row in rows if row.repository and row.repository.id == identity).sessions.append(session)
            ran_in[identity][place] += 1
        elif first:
            nowhere[session.id] = f"it may be of {' or of '.join(sorted(first.values()))}: give one by --repo"
        else:
            nowhere[session.id] = "nothing shows that it ran in a repository of this folder"
    for row in rows:
        if row.repository is not None and (counts := ran_in.get(row.repository.id)):
            every = sorted([row.path, *row.copies])
            row.path = min(every, key=lambda path: (-counts.get(str(path), 0), path))
            row.copies = [path for path in every if path != row.path]
    return nowhere


def _by_files(
    store: Store,
    session: Session[Clean],
    rows: Sequence[Found],
    opened: Mapping[str, GitRepository],
    known: dict[str, set[str]],
    book: SignalBook,
) -> dict[str, tuple[int, str]]:
    """Repository → how surely the files that a session touched say that it worked there, and which checkout."""
    ranks: dict[str, tuple[int, str]] = {}
    events = load_events(store, book, session) if book else store.events(session.id)
    for row in rows:
        assert row.repository is not None
        place = str(row.path)
        try:
            if place not in known:
                known[place] = opened[place].paths(accepted_graph(opened[place])[0])
            verdict, why = belongs(opened[place], session, events, known[place])
        except (GolddiffError, OSError) as error:
            row.error = InputError(f"{place}: {error}")
            continue
        finally:
            if len(rows) > _MOST_READERS:
                opened[place].close()
        if verdict is not False:
            ranks[row.repository.id] = 3 if why == BY_CONTENT else 2 if verdict else 1, place
    return ranks


__all__ = ["Everywhere", "Found", "compute_below", "repositories_below"]

"""All sessions of one repository, replayed and linked: the part of the stage that writes nothing.

`run` stores what comes out of here; `bench/link` measures it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from golddiff.git import GitRepository
from golddiff.outcomes import link as linking
from golddiff.outcomes.again import note_again
from golddiff.outcomes.evidence import Seen
from golddiff.outcomes.history import History, accepted_graph, read_history
from golddiff.outcomes.looks import Looks
from golddiff.outcomes.names import read_names
from golddiff.outcomes.place import Headers, Placement, belongs, edited_paths, find_placement
from golddiff.outcomes.replay import Reader, Replay, replay
from golddiff.outcomes.written import Written, collect
from golddiff.types import Attribution, Clean, Event, EventKind, Session, Signal, Snapshot

Progress = Callable[[str], None]


@dataclass(slots=True)
class Analysed:
    """One session of this repository."""

    session: Session[Clean]
    why_here: str
    sure: bool
    """Whether more than common file names says that it belongs here."""
    placement: Placement
    replay: Replay
    rarity: float
    """Summed rarity, in nats, of all lines that it wrote or removed: how well it could be found."""
    candidates: list[linking.Candidate]
    """Commits that may hold its work, best first."""


@dataclass(frozen=True, slots=True)
class Told:
    """What other tools, users and forges say; `run` reads it from the store."""

    claims: Sequence[Attribution[Clean]] = ()
    """Claims about commits of this repository."""
    pull_requests: Sequence[Signal] = ()
    """Signals of this repository's pull requests."""
    verdicts: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    """Session → when its last verdict was said, and its kind."""


@dataclass(slots=True)
class Analysis:
    """What is known of a repository and its sessions."""

    history: History
    sessions: list[Analysed]
    elsewhere: dict[str, str]
    """Sessions left alone, with the reason."""


def analyse(
    git: GitRepository,
    sessions: Iterable[Session[Clean]],
    load: Callable[[str], tuple[Event[Clean], ...]],
    ignore: AbstractSet[str] = frozenset(),
    progress: Progress | None = None,
    snapshots: Iterable[Snapshot] = (),
    told: Told | None = None,
) -> Analysis:
    """Replay and link the sessions that belong to `git`; `load` gives a session's events by its id.

    `snapshots` are those of this repository's worktrees, `told` is what others say of its commits and sessions.

    Raises InputError where the history cannot be read.
    """
    graph, default = accepted_graph(git)
    known = git.paths(graph)
    digits = len(default[1]) if default else 40
    here: list[tuple[Analysed, Written]] = []
    elsewhere: dict[str, str] = {}
    headers = Headers(git)
    looks = Looks(git, snapshots)
    edits: dict[str, list[tuple[datetime, str]]] = {}
    begun: list[datetime] = []
    if looks:
        sessions = list(sessions)
        begun = [session.started_at for session in sessions if session.started_at is not None]
        edits = _edits(sessions, load, headers, known)
    for session in sessions:
        decided = headers.decide(session)
        if decided is not None and not decided[0]:
            elsewhere[session.id] = decided[1]
            continue
        events = load(session.id)
        inside, why = decided or belongs(git, session, events, known)
        if inside is False:
            elsewhere[session.id] = why
            continue
        placement = find_placement(session, events, known)
        paths = list(dict.fromkeys(path for given in edited_paths(events) if (path := placement(given)) is not None))
        seen = looks.of(session, paths, edits, begun) if looks else ()
        done = replay(events, placement, base_reader(git, session), seen)
        found = Analysed(session, why, inside is True, placement, done, 0.0, [])
        here.append((found, collect(session, events, done, digits)))
        if progress:
            progress(f"replayed {len(here)} sessions")
    note_again([work for _, work in here])
    starts = [found.session.started_at for found, _ in here]
    since = min((start for start in starts if start), default=None)
    wrote = [{line for _, line in work.added} for _, work in here]
    wanted = set().union(*wrote)
    removed = {line for _, work in here for _, line in work.removed}
    history = read_history(git, wanted, removed, since, progress)
    writers = Counter(line for lines in wrote for line in lines)
    ids = [found.session.provider_session_id for found, _ in here]
    told = told or Told()
    names = read_names(git, history, [name for name in ids if name], ignore, told.claims, told.pull_requests)
    for found, work in here:
        others: Mapping[int, int] = {line: writers[line] - 1 for _, line in work.added}
        found.rarity = linking.rarity(work, history, others, len(here) - 1)
        around = Seen(looks.heads(found.session) if looks else [], told.verdicts.get(found.session.id))
        found.candidates = linking.link(work, history, others, len(here) - 1, names, ignore, around)
        if not found.sure and not any(candidate.linked for candidate in found.candidates):
            elsewhere[found.session.id] = found.why_here + ", by names that any repository may have"
    return Analysis(history, [found for found, _ in here if found.session.id not in elsewhere], elsewhere)


def _edits(
    sessions: Iterable[Session[Clean]],
    load: Callable[[str], tuple[Event[Clean], ...]],
    headers: Headers,
    known: set[str],
) -> dict[str, list[tuple[datetime, str]]]:
    """When each path was edited, and by which session; only asked for where there are snapshots."""
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for session in sessions:
        if (headers.decide(session) or (True,))[0]:
            events = load(session.id)
            place = find_placement(session, events, known)
            for event in events:
                if event.kind is EventKind.EDIT and event.edit is not None and event.at is not None:
                    path = place(event.edit.path)
                    if path is not None:
                        found[path].append((event.at, session.id))
    return found


def base_reader(git: GitRepository, session: Session[Clean]) -> Reader | None:
    """Read files as they were at the session's base commit; None where that commit is not known here."""
    base = session.base_commit
    if base is None or git.resolve(base) is None:
        return None

    def read(path: str) -> str | None:
        blob = git.files_at(base, [path]).get(path)
        data = git.blob(blob) if blob else None
        return data.decode("utf-8", "replace") if data is not None else None

    return read

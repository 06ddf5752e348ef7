"""Lives of lines with known numbers for the tests of the report."""

from __future__ import annotations

from datetime import datetime, timedelta

from golddiff.types import LineFate, LivedLines, Survival
from golddiff.web.facts import SessionFacts
from golddiff.web.lives import Life, Watched
from web.report_sessions import BEGAN, lines, session


def life(fact: SessionFacts, days: float, cause: int = 0, lines: int = 10, commits: int = 5, **fields: str) -> Life:
    belongs = {
        "model": fact.models[0], "agent": fact.agent, "tool": "Edit", "language": "Python", "folder": "src",
        "task": "add",
    }  # fmt: skip
    return Life(
        session_id=fact.id, cluster=fact.cluster, lines=lines, characters=30 * lines, days=days, commits=commits,
        cause=cause, **(belongs | fields),
    )  # fmt: skip


def followed(sessions: int = 24) -> tuple[list[SessionFacts], Watched]:
    """Each session wrote 30 lines and kept 20. Alpha's: 10 ended by a person on day 60, 10 watched for 100 days.
    Beta's: 10 ended on day 3, 5 overwritten by an agent on day 20, 5 watched for 100 days."""
    facts = [
        session(number, lines(20, 0, 10), model="beta" if number % 2 else "alpha", tokens=100 + number)
        for number in range(sessions)
    ]
    lives: list[Life] = []
    for number, fact in enumerate(facts):
        jitter = number / 1000
        if number % 2:
            lives += [life(fact, 3 + jitter, 1, commits=1), life(fact, 20 + jitter, 2, 5, commits=8)]
            lives += [life(fact, 100, 0, 5, commits=40)]
        else:
            lives += [life(fact, 60 + jitter, 1, commits=20), life(fact, 100, 0, commits=40)]
    return facts, Watched(
        lives=tuple(lives),
        observed_until=BEGAN + timedelta(days=200),
        left_out={"moved away": 3},
        followed={fact.id: 0 for fact in facts},
    )


def record(groups: tuple[LivedLines, ...], repository: str = "repo_1", until: datetime | None = None) -> Survival:
    return Survival(
        id="srv_1",
        session_id="ses_1",
        repository_id=repository,
        outcome_id="out_repo_1",
        branch="refs/heads/main",
        tip="c" * 40,
        observed_until=until or BEGAN + timedelta(days=40),
        groups=groups,
        left_out={"binary": 2},
        method="test",
    )


def group(
    path: str = "a/app.py", ended_days: float | None = None, by: tuple[str, ...] = (), count: int = 4
) -> LivedLines:
    return LivedLines(
        path=path,
        first_line=1,
        lines=count,
        characters=100,
        fate=LineFate.KEPT,
        accepted_by="a" * 40,
        accepted_at=BEGAN,
        ended_by=None if ended_days is None else "b" * 40,
        ended_at=None if ended_days is None else BEGAN + timedelta(days=ended_days),
        ended_by_sessions=by,
        commits_survived=7,
    )

"""Chats that aider wrote into its commits (July 2023 to June 2024): the body of the commit is the conversation.

    # Aider chat conversation:

    USER: …
    ASSISTANT: …

Each such commit is one session: its parent is the base, its edits are the blocks of the answers, and that they were
applied is what the commit shows. No model, no times of turns and no tests are stated; a session without a model may
not be trained on. Later commits of aider's say that it wrote them (`(aider)` after a name) and hold no chat.

Format: the history of the aider repository itself (docs/importers.md counts it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from golddiff.git import GitRepository
from golddiff.record.importers.aider.edits import edits_of
from golddiff.record.importers.contract import Reading, ReadSession
from golddiff.record.importers.event_log import EventLog
from golddiff.record.importers.jsonl import record_hash
from golddiff.types import EventKind, RawSession, Session, new_id

HEADING = "# Aider chat conversation:"

_TURN = re.compile(r"^(USER|ASSISTANT|SYSTEM): ?", re.MULTILINE)


class AiderCommits:
    """Repository importer of chats in commit messages."""

    name = "aider-commits"

    def read(self, git: GitRepository) -> Iterator[Reading]:
        """Yield one session per commit that holds a chat, oldest first."""
        shas = git.commits_saying(HEADING)
        for commit in git.commits(reversed(shas)):
            transcript = chat_of(commit.message, commit.sha, commit.parents[0] if commit.parents else None)
            if transcript is None:
                yield Reading(skipped={"no conversation": 1})
            else:
                yield Reading((ReadSession(transcript),))


def chat_of(message: str, sha: str, parent: str | None) -> RawSession | None:
    """Turn a commit's message into a session; None where no user speaks in it."""
    _, found, body = message.partition(HEADING)
    starts = list(_TURN.finditer(body))
    if not found or not any(turn[1] == "USER" for turn in starts):
        return None
    session_id = new_id("ses")
    log = EventLog(session_id)
    for index, turn in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(body)
        text = body[turn.end() : end].strip()
        if turn[1] == "USER":
            log.add(EventKind.PROMPT, None, text=text)
        elif turn[1] == "SYSTEM":
            log.add(EventKind.NOTE, None, text=text)
        else:
            log.add(EventKind.MODEL_CALL, None, text=text or None)
            for edit in edits_of(text, None):
                log.add(EventKind.EDIT, None, edit=edit, tool="edit block")
    return log.finish(
        Session(
            id=session_id,
            source=AiderCommits.name,
            provider_session_id=sha,
            base_commit=parent,
            record_hashes=(record_hash(message.encode("utf-8", "replace")),),
        )
    )

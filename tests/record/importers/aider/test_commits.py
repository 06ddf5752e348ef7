"""What chats inside aider's commits become."""

from __future__ import annotations

from pathlib import Path

from golddiff.git import GitRepository
from golddiff.record.importers.aider.commits import AiderCommits
from record.bare import Bare

CHAT = """aider: doubled x

# Aider chat conversation:

USER: double x

ASSISTANT: Here:

```python
a.py
<<<<<<< ORIGINAL
x = 1
=======
x = 2
>>>>>>> UPDATED
```

USER: thanks
"""


def test_a_commit_with_a_chat_is_a_session_on_its_parent(tmp_path: Path) -> None:
    bare = Bare(tmp_path / "r.git")
    base = bare.commit("refs/heads/main", {"a.py": "x = 1\n"})
    chat = bare.commit("refs/heads/main", {"a.py": "x = 2\n"}, CHAT, base)
    bare.commit("refs/heads/main", {"a.py": "x = 2\n"}, "quotes it\n\n# Aider chat conversation:\n\nnobody", chat)
    shas = bare.write()
    with GitRepository.open(tmp_path / "r.git") as git:
        first, second = AiderCommits().read(git)
    (session,) = first.sessions
    header, events = session.transcript.session, session.transcript.events
    assert (header.source, header.provider_session_id, header.base_commit) == ("aider-commits", shas[chat], shas[base])
    assert header.models == ()
    assert [event.kind.value for event in events] == ["prompt", "model_call", "edit", "prompt"]
    assert events[2].edit is not None
    assert (events[2].edit.path, events[2].edit.success) == ("a.py", True)
    assert second.skipped == {"no conversation": 1}


def test_a_repository_without_chats_gives_nothing(tmp_path: Path) -> None:
    bare = Bare(tmp_path / "r.git")
    bare.commit("refs/heads/main", {"a.py": "x = 1\n"}, "aider: but no chat")
    bare.write()
    with GitRepository.open(tmp_path / "r.git") as git:
        assert list(AiderCommits().read(git)) == []

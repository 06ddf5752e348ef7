"""Real agents run golddiff's hooks, and `golddiff import` reads the transcript that the hooks name.

They install software and take minutes, so they only run when GOLDDIFF_E2E=1.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.agents import AGENTS, GEMINI_CLI, TASK, Agent, ask, installed
from e2e.scripted_model import FILE, TEXT, ScriptedModel
from golddiff.record.hooks.journal import Journal
from golddiff.store import Store
from golddiff.types import Event, EventKind

pytestmark = pytest.mark.skipif(os.environ.get("GOLDDIFF_E2E") != "1", reason="set GOLDDIFF_E2E=1 to run real agents")

EVENTS = {
    "claude-code": {"SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"},
    "qwen-code": {"UserPromptSubmit", "Stop"},  # it runs no others without a terminal
    "gemini-cli": {"SessionStart", "BeforeAgent", "AfterAgent", "SessionEnd"},
}
SETTINGS = {"gemini-cli": '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'}
"""What an agent has to be told in its settings before it runs at all."""


@pytest.mark.parametrize(
    "agent", [*(agent for agent in AGENTS if agent.name in EVENTS), GEMINI_CLI], ids=lambda agent: agent.name
)
def test_an_agent_runs_the_hooks_and_its_transcript_is_read(agent: Agent, tmp_path: Path) -> None:
    program = installed(agent)
    home, work = tmp_path / "home", tmp_path / "work"
    settings = home / f".{agent.name.split('-')[0]}" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS.get(agent.name, "{}"))
    work.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    environment = {name: value for name, value in os.environ.items() if name != "GOLDDIFF_WORKSPACE"}
    environment["HOME"] = str(home)

    def golddiff(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "golddiff", *arguments], cwd=work, env=environment, check=True)

    golddiff("hooks", "install", "--client", agent.name)
    with ScriptedModel() as model:
        done = ask(agent, program, work, f"http://127.0.0.1:{model.port}", "AIzaSy-no-key")
    said = f"{agent.name} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert (work / FILE).read_text().strip() == TEXT, said
    noted = Journal(work / ".golddiff/hooks").read()
    assert {one.event for one in noted} >= EVENTS[agent.name], said
    assert {one.source for one in noted} == {agent.name}
    assert {one.cwd for one in noted} == {str(work)}
    (transcript,) = {one.transcript_path for one in noted}
    assert transcript is not None
    golddiff("import", transcript)
    with Store.open(work / ".golddiff", write=False) as store:
        prompts = [event.text for event in store.find(Event) if event.kind is EventKind.PROMPT]
    assert prompts == [TASK]
    golddiff("hooks", "uninstall")
    assert "agent.sh" not in settings.read_text()  # Qwen Code writes other things into it

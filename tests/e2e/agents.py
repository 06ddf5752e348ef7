"""Real coding agents: how each is installed, pointed at a gateway, and asked to write one file.

Python agents get a virtual environment each, Node agents an npm prefix, below `e2e/` of golddiff's cache folder; what
is there already is used as it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from golddiff.config import cache_folder

TASK = "Write the text 'made by the agent' into the file made.txt, then stop."
_INSTALL_SEC = 900


@dataclass(frozen=True)
class Agent:
    """One agent, as a test runs it."""

    name: str
    package: str
    """What pip or npm installs; several, apart by spaces."""
    node: bool
    program: str
    arguments: tuple[str, ...]
    """`{base}` is the gateway's URL with /v1, `{root}` without."""
    environment: dict[str, str]
    """The same; `{key}` is the virtual key."""
    protocol: str
    """Wire protocol of its calls."""
    calls: int
    """Calls that are recorded at least."""


AGENTS = (
    Agent(
        "mini-swe-agent", "mini-swe-agent mcp", False, "mini",  # its LiteLLM imports mcp without asking for it
        ("--yolo", "--exit-immediately", "-m", "openai/scripted", "-t", TASK, "-o", "../run.json", "--cost-limit", "0"),
        {"OPENAI_API_KEY": "{key}", "OPENAI_API_BASE": "{base}", "OPENAI_BASE_URL": "{base}",
         "MSWEA_CONFIGURED": "true", "MSWEA_COST_TRACKING": "ignore_errors", "MSWEA_SILENT_STARTUP": "1",
         "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        "openai-chat", 2,
    ),
    Agent(
        "aider", "aider-chat", False, "aider",
        ("--model", "openai/scripted", "--edit-format", "diff", "--message", TASK, "--yes-always", "--no-git",
         "--no-check-update", "--no-show-model-warnings", "--no-analytics", "--map-tokens", "0", "made.txt"),
        {"OPENAI_API_KEY": "{key}", "OPENAI_API_BASE": "{base}", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        "openai-chat", 1,
    ),
    Agent(
        "qwen-code", "@qwen-code/qwen-code", True, "qwen",
        ("--yolo", "--auth-type", "openai", "--model", "scripted", "-p", TASK),
        {"OPENAI_API_KEY": "{key}", "OPENAI_BASE_URL": "{base}", "OPENAI_MODEL": "scripted"},
        "openai-chat", 2,
    ),
    Agent(
        "codex", "@openai/codex", True, "codex",
        ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", "gpt-5-codex",
         "-c", 'model_provider="golddiff"', "-c", 'model_providers.golddiff.name="golddiff"',
         "-c", 'model_providers.golddiff.base_url="{base}"', "-c", 'model_providers.golddiff.env_key="OPENAI_API_KEY"',
         "-c", 'model_providers.golddiff.wire_api="responses"', TASK),
        {"OPENAI_API_KEY": "{key}"},
        "openai-responses", 2,
    ),
    Agent(
        "claude-code", "@anthropic-ai/claude-code", True, "claude",
        ("-p", TASK, "--allowedTools", "Bash", "--model", "claude-scripted"),
        {"ANTHROPIC_BASE_URL": "{root}", "ANTHROPIC_API_KEY": "{key}", "DISABLE_AUTOUPDATER": "1",
         "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        "anthropic-messages", 2,
    ),
)  # fmt: skip

GEMINI_CLI = Agent(
    "gemini-cli", "@google/gemini-cli", True, "gemini",
    ("--yolo", "--skip-trust", "-m", "gemini-2.5-pro", "-p", TASK),
    {"GEMINI_API_KEY": "{key}", "GOOGLE_GEMINI_BASE_URL": "{root}"},
    "", 0,
)  # fmt: skip
"""Speaks an API that gateways do not pass on: it is run for its hooks and its transcripts."""


def installed(agent: Agent) -> Path:
    """Return the agent's program, installing it first; skips the test where that cannot be done."""
    folder = cache_folder() / "e2e" / agent.name
    program = folder / ("node_modules/.bin" if agent.node else "bin") / agent.program
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    if agent.node:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip(f"{agent.name} needs npm, which is not installed")
        steps = [[npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), *agent.package.split()]]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin/python"), "-m", "pip", "install", "-q", *agent.package.split()],
        ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=_INSTALL_SEC)
        if done.returncode:
            pytest.skip(f"{agent.name} does not install here: {done.stderr.strip()[-300:]}")
    return program


def ask(agent: Agent, program: Path, folder: Path, root: str, key: str) -> subprocess.CompletedProcess[str]:
    """Run the agent in `folder` until it ends."""
    places = {"{base}": f"{root}/v1", "{root}": root, "{key}": key}

    def filled(text: str) -> str:
        for mark, value in places.items():
            text = text.replace(mark, value)
        return text

    kept = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(folder.parent / "home"), "TERM": "dumb", "NO_COLOR": "1", "NO_PROXY": "127.0.0.1"}
    environment |= {name: filled(value) for name, value in agent.environment.items()}
    Path(environment["HOME"]).mkdir(exist_ok=True)
    arguments = [str(program), *(filled(argument) for argument in agent.arguments)]
    return subprocess.run(
        arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
    )

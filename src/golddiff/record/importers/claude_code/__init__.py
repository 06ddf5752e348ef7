"""Claude Code: session files, sub-agents, tools."""

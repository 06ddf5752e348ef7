"""Codex CLI: rollout files."""

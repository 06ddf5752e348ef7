"""Gemini CLI: session files; Qwen Code's content is in its parts too."""

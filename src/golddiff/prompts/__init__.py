"""How a change is asked of a model and read from its answer."""

from golddiff.prompts.edit import edit_messages, parse_update, update_text

__all__ = ["edit_messages", "parse_update", "update_text"]

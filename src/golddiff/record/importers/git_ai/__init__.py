"""git-ai: authorship notes, and the messages in old ones."""

"""aider: chat histories, and chats inside commits."""

"""Sources of rows: what users accepted from agents (`sessions`), and a repository's own history (`history`)."""

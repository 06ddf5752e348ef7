"""A student of one real repository's history, measured on the changes that people made later. See README.md."""

from golddiff.recipes.real_history.run import Settings, run

__all__ = ["Settings", "run"]

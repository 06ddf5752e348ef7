"""The packages that a repository's tests need: what it declares (`recipes`), installed once and cached (`install`)."""

from golddiff.evaluate.tasks.environments.install import Environment, cached, install
from golddiff.evaluate.tasks.environments.recipes import Recipe, detect, of_repository

__all__ = ["Environment", "Recipe", "cached", "detect", "install", "of_repository"]

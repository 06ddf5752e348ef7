"""The world that outcomes are tested in, for the lives of accepted lines."""

from outcomes.conftest import template, world

__all__ = ["template", "world"]

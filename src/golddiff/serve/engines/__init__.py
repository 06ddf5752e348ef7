"""Engines that run a student on this machine."""

from golddiff.serve.engines.contract import Engine

__all__ = ["Engine"]

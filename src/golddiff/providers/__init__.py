"""Clients of models behind a boundary: `Upstream` and its implementations that need no model on this machine."""

from golddiff.providers.scripted import ScriptedUpstream
from golddiff.providers.upstream import Completion, Conversation, ScoredPair, Upstream

__all__ = ["Completion", "Conversation", "ScoredPair", "ScriptedUpstream", "Upstream"]

"""Serving: a student on this machine, behind an OpenAI-compatible API or as an `Upstream` in this process."""

from golddiff.serve.local import LocalUpstream, open_for_batches, open_local

__all__ = ["LocalUpstream", "open_for_batches", "open_local"]

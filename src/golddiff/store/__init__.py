"""The store: sessions, outcomes, examples, checkpoints, scores and how they descend from each other.

`Store` opens one workspace folder. Only redacted types fit its signatures; see `golddiff.types.Clean`.
"""

from golddiff.store.store import ImportChange, Store

__all__ = ["ImportChange", "Store"]

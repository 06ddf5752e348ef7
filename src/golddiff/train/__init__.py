"""Training: one readable file per recipe. Importing this imports no torch."""

from golddiff.train.config import R1Config, config_from

__all__ = ["R1Config", "config_from"]

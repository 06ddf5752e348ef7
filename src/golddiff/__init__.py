"""golddiff trains a small model from what users keep.

It records agent sessions, finds in git what the user finally accepted (the *gold diff*), checks whether each
row may be trained on, trains a student and proves by executed tests how much of the teacher it recovered.
"""

__version__ = "0.1.0"

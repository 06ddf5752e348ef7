"""Running code that nobody has read: bubblewrap where it works, a refusal where it does not, a fake for tests.

Start at `contract` (what a sandbox promises), then `bubblewrap` (the one that keeps it). Nothing in golddiff runs
a model's code outside a `Sandbox`.
"""

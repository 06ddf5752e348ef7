"""Rights: redaction before anything is stored, and a verdict per row before anything is trained on.

redact.py    text -> Clean; the only module that constructs it
patterns.py  what a secret looks like, one rule per provider
"""

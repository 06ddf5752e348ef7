"""Rights: redaction before anything is stored, and a verdict per row before anything is trained on.

redact.py      text → Clean; the only module that constructs it
patterns.py    what a secret looks like, one rule per provider
terms.py       what provider terms say about training (terms.toml)
licence.py     which licence a repository is under, and whether it permits training
consent.py     written permission, as recorded
provenance.py  whose work what a session left is
policy.py      terms × licence × consent → Verdict, deny by default
"""

from golddiff.rights.consent import Grants
from golddiff.rights.policy import permits
from golddiff.rights.redact import mask_homes, redact_text, redact_transcript

__all__ = ["Grants", "mask_homes", "permits", "redact_text", "redact_transcript"]

r"""What a secret looks like: one anchored rule per provider format, plus a few for secrets without a format.

Each rule has an `anchor`, a cheap pattern that every one of its matches contains, and a `pattern` that is run only
where the anchor was seen. All anchors together are searched in one pass by `rights.redact`. Group 1 of a pattern,
where there is one, is the part to hide; else the whole match. A `check` looks at the matched bytes and what comes
before them, for what a linear-time engine without look-around cannot say.

Text is bytes. Secrets sit inside JSON inside JSON, so a quote may follow any number of backslashes, and `\n` before
a token may be the two characters `\` and `n`.

Source of the formats: the providers' own announcements and the public rule sets of gitleaks and detect-secrets, from
memory; the test corpus is ours. Not covered: personal data, secrets cut by line breaks (PEM blocks are), passwords
in prose.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[bytes, bytes], bool]
"""(matched secret, up to two bytes before the match) -> whether it is a secret."""


def _real(secret: bytes, before: bytes) -> bool:
    """Anything but documentation's stand-ins."""
    return not _stand_in(secret)


def _starts_word(secret: bytes, before: bytes) -> bool:
    """The prefix is the start of a word: `disk-…` is no `sk-…`; an escaped newline before it is no letter."""
    if before[-1:].isalnum() and not (before[:1] == b"\\" and before[-1:] in b"nrtbf"):
        return False
    return not _stand_in(secret)


def _token_like(secret: bytes, before: bytes) -> bool:
    """Random enough to be a credential: long, letters and digits mixed, not words joined by separators."""
    if len(secret) < 16 or _placeholder(secret) or _reference(secret):
        return False
    digits = sum(48 <= byte <= 57 for byte in secret)
    letters = sum(65 <= byte <= 90 or 97 <= byte <= 122 for byte in secret)
    mixed_case = secret != secret.lower() and secret != secret.upper()
    if letters < 3 or (digits < 2 and not (mixed_case and (digits or len(secret) >= 32))):
        return False
    for separator in b"-_./:":
        secret = secret.replace(bytes([separator]), b" ")
    longest = max(secret.split(), key=len, default=b"")
    if len(longest) < 10 and not _uuid_like(secret):
        return False
    return _bits_per_byte(secret) >= 3.0


def _password_like(secret: bytes, before: bytes) -> bool:
    """A literal password: at least eight bytes with a letter and a digit or sign, not a name or a reference."""
    if len(secret) < 8 or _placeholder(secret) or _reference(secret):
        return False
    has_letter = any(65 <= byte <= 90 or 97 <= byte <= 122 for byte in secret)
    has_other = any(48 <= byte <= 57 or byte in b"!#%&*+?@^~$" for byte in secret)
    return has_letter and has_other and _bits_per_byte(secret) >= 2.5


def _uuid_like(secret: bytes) -> bool:
    return [len(part) for part in secret.split()] == [8, 4, 4, 4, 12]


def _bits_per_byte(secret: bytes) -> float:
    """Shannon entropy of the byte frequencies, in bits per byte."""
    counts = Counter(secret).values()
    return -sum(count / len(secret) * math.log2(count / len(secret)) for count in counts)


_STAND_INS = (b"example", b"placeholder", b"redacted", b"xxxxxx", b"your-", b"your_")
"""Words that a provider's token holds in documentation, and by chance hardly ever."""

_PLACEHOLDERS = (
    b"example", b"placeholder", b"changeme", b"change_me", b"change-me", b"your", b"dummy", b"redacted",
    b"xxxx", b"****", b"....", b"insert", b"replace", b"todo", b"123456789", b"abcdefgh", b"foobar",
    b"not-a-real", b"not_a_real", b"secret-here", b"password", b"passwd", b"000000",
)  # fmt: skip


def _stand_in(secret: bytes) -> bool:
    lowered = secret.lower()
    return any(word in lowered for word in _STAND_INS) or len(set(secret)) < 5


def _placeholder(secret: bytes) -> bool:
    lowered = secret.lower()
    return any(word in lowered for word in _PLACEHOLDERS) or len(set(secret)) < 5


def _reference(secret: bytes) -> bool:
    """Names a place where the secret is: a variable, a template, a call, a URL or a path."""
    if secret.startswith((b"http://", b"https://", b"file://", b"./", b"../", b"~/", b"arn:", b"sha256-", b"sha512-")):
        return True
    return secret[:1] in b"$<{/[%(" or b"${" in secret or b"{{" in secret or b"()" in secret or b"env." in secret


@dataclass(frozen=True)
class Rule:
    """How to find one kind of secret."""

    kind: str
    """Shown in place of the secret: `[REDACTED:<kind>]`."""
    anchor: bytes
    """Pattern contained in every match; cheap, and rare in text without such secrets."""
    pattern: bytes
    check: Check = _real


_TOKEN = rb"[A-Za-z0-9_-]"
_QUOTE = rb"\\*[\"'`]"
_ASSIGN = rb"\\*[\"'`]?\]?\s{0,4}(?::=|=>|==|[:=,>])\s{0,4}"
_ASSIGNED = rb"[A-Za-z0-9_-]*[\\\"'`\]\s]*(?::=|=>|==|[:=,>])\s*\\*[\"'`]"
"""What follows the name of an assigned literal, for anchors: all of it without its lengths, which would multiply the
states of the joint search. `"prompt_tokens": 12`, in every answer of a model, is none."""
_SEP = rb"(?:\\+[nrt]|[\s\"'`+,>|*#\\-])"
_LAST_SEP = rb"(?:\\+[nrt]|[\s\"'`+,>|*#\\]){1,60}-?"

RULES: tuple[Rule, ...] = (
    Rule(
        "private-key",
        rb"PRIVATE KEY",
        rb"(-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        rb"(?:" + _SEP + rb"{1,60}(?:Proc-Type|DEK-Info|Version|Comment|Key-ID)[^\n\\]{1,100}){0,4}"
        rb"(?:" + _SEP + rb"{1,60}[A-Za-z0-9+/]{20,}={0,2})+"
        rb"(?:" + _LAST_SEP + rb"=?[A-Za-z0-9+/]{1,19}={0,2})?"
        rb"(?:" + _SEP + rb"{0,60}-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?)",
        lambda secret, before: True,
    ),
    Rule(  # the end of one, where a diff's hunk or a window begins inside it
        "private-key",
        rb"END [A-Z0-9 ]{0,30}PRIVATE KEY",
        rb"((?:[A-Za-z0-9+/]{40,}={0,2}" + _SEP + rb"{1,60})+"
        rb"(?:=?[A-Za-z0-9+/]{1,39}={0,2}" + _LAST_SEP + rb")?"
        rb"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)",
        lambda secret, before: True,
    ),
    Rule("aws-access-key-id", rb"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]", rb"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}", _starts_word),
    Rule(
        "aws-secret-key",
        rb"(?i:secret.?access.?key|aws.?secret|session.?token)",
        rb"(?i:secret.?access.?key|aws.?secret[a-z_-]{0,12}|aws.?session.?token|sessiontoken)"
        + _ASSIGN
        + rb"\\*[\"'`]?([A-Za-z0-9/+]{40,}={0,2})",
    ),
    Rule("golddiff-key", rb"gdk_[A-Za-z0-9]{8}", rb"gdk_[A-Za-z0-9]{40}"),
    Rule("github-token", rb"gh[pousr]_[A-Za-z0-9]{8}", rb"gh[pousr]_[A-Za-z0-9]{36,255}"),
    Rule("github-token", rb"github_pat_", rb"github_pat_[A-Za-z0-9_]{36,255}"),
    Rule(
        "gitlab-token",
        rb"gl[a-z]{2,8}-[A-Za-z0-9_-]",
        rb"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-" + _TOKEN + rb"{20,}",
        _starts_word,
    ),
    Rule("anthropic-key", rb"sk-ant-", rb"sk-ant-[A-Za-z0-9]{2,12}-" + _TOKEN + rb"{20,}"),
    Rule("openrouter-key", rb"sk-or-v1-", rb"sk-or-v1-[0-9a-f]{40,}"),
    Rule("openai-key", rb"sk-[A-Za-z]{4}", rb"sk-(?:proj|svcacct|admin|None)-" + _TOKEN + rb"{20,}", _starts_word),
    Rule("openai-key", rb"sk-[A-Za-z0-9]{16}", rb"sk-[A-Za-z0-9]{32,64}", _starts_word),
    Rule("google-key", rb"AIza", rb"AIza[A-Za-z0-9_-]{35}"),
    Rule("google-key", rb"GOCSPX-|ya29\.", rb"GOCSPX-" + _TOKEN + rb"{28}|ya29\.[A-Za-z0-9_.-]{20,}"),
    Rule("google-key", rb"1//0", rb"1//0[A-Za-z0-9][A-Za-z0-9_-]{40,}", _starts_word),
    Rule("slack-token", rb"xox[a-z]-|xapp-", rb"xox[abceposr]-[A-Za-z0-9-]{20,}|xapp-[0-9]-[A-Za-z0-9-]{20,}"),
    Rule("slack-webhook", rb"hooks\.slack\.com/", rb"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]{30,})"),
    Rule("discord-webhook", rb"/api/webhooks/", rb"discord(?:app)?\.com/api/webhooks/([0-9]{15,}/[A-Za-z0-9_-]{50,})"),
    Rule("stripe-key", rb"[srp]k_(?:live|test)_", rb"[srp]k_(?:live|test)_[A-Za-z0-9]{16,}", _starts_word),
    Rule("stripe-key", rb"whsec_", rb"whsec_[A-Za-z0-9+/]{24,}={0,2}"),
    Rule("hugging-face-token", rb"hf_[A-Za-z0-9]{8}", rb"hf_[A-Za-z0-9]{30,}", _starts_word),
    Rule("npm-token", rb"npm_[A-Za-z0-9]{8}", rb"npm_[A-Za-z0-9]{36}", _starts_word),
    Rule("npm-token", rb"_auth(?:Token)?\s?=", rb"_auth(?:Token)?\s?=\s?\\*\"?([A-Za-z0-9+/=_-]{16,})"),
    Rule("pypi-token", rb"pypi-AgE", rb"pypi-AgE[A-Za-z0-9_-]{50,}"),
    Rule("jwt", rb"eyJ[A-Za-z0-9_-]{8}", rb"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}"),
    Rule("sendgrid-key", rb"SG\.", rb"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}", _starts_word),
    Rule("twilio-key", rb"SK[0-9a-f]{16}", rb"SK[0-9a-f]{32}", _starts_word),
    Rule("digitalocean-token", rb"do[opr]_v1_", rb"do[opr]_v1_[0-9a-f]{64}"),
    Rule("databricks-token", rb"dapi[0-9a-f]{8}", rb"dapi[0-9a-f]{32}(?:-[0-9])?", _starts_word),
    Rule("shopify-token", rb"shp[a-z]{2}_", rb"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    Rule("docker-token", rb"dckr_pat_", rb"dckr_pat_" + _TOKEN + rb"{20,}"),
    Rule("vault-token", rb"hv[sbr]\.", rb"hv[sbr]\.[A-Za-z0-9_-]{24,}", _starts_word),
    Rule("telegram-token", rb":AA[A-Za-z0-9_-]{8}", rb"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}", _starts_word),
    Rule("linear-key", rb"lin_(?:api|oauth)_", rb"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    Rule("notion-key", rb"ntn_[A-Za-z0-9]{8}", rb"ntn_[A-Za-z0-9]{40,}", _starts_word),
    Rule("groq-key", rb"gsk_[A-Za-z0-9]{8}", rb"gsk_[A-Za-z0-9]{48,}", _starts_word),
    Rule("xai-key", rb"xai-[A-Za-z0-9]{8}", rb"xai-[A-Za-z0-9]{60,}", _starts_word),
    Rule("replicate-key", rb"r8_[A-Za-z0-9]{8}", rb"r8_[A-Za-z0-9]{36,}", _starts_word),
    Rule("sentry-token", rb"sntr[yus]+_", rb"sntr(?:ys|yu)_[A-Za-z0-9+/=_-]{40,}"),
    Rule("grafana-token", rb"gl(?:sa|c)_", rb"gl(?:sa|c)_[A-Za-z0-9+/_]{32,}={0,2}"),
    Rule("atlassian-token", rb"ATATT3", rb"ATATT3[A-Za-z0-9_=-]{80,}"),
    Rule("tailscale-key", rb"tskey-", rb"tskey-[a-z]+-[A-Za-z0-9-]{16,}"),
    Rule("age-key", rb"AGE-SECRET-KEY-1", rb"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    Rule("azure-key", rb"AccountKey=", rb"AccountKey=([A-Za-z0-9+/]{80,90}={0,2})"),
    Rule("supabase-key", rb"sb(?:p|_secret)_", rb"sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,}"),
    Rule(
        "url-password",
        rb"://[^\s/@\"'<>]{1,40}:",
        rb"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,100}:([^\s/@\"'<>\\]{4,200})@",
        lambda secret, before: not (_placeholder(secret) or _reference(secret)) and secret.lower() != b"pass",
    ),
    Rule(
        "authorization-header",
        rb"(?i:bearer|authorization)[\s\\\"':=,]",
        rb"(?i:authorization" + _ASSIGN + rb"\\*[\"'`]?(?:basic|token|bearer|apikey|negotiate)|bearer)"
        rb"\s{1,4}([A-Za-z0-9._~+/-]{16,}={0,2})",
        lambda secret, before: _token_like(secret, before) or _base64_pair(secret),
    ),
    Rule(
        "header-key",
        rb"(?i:api-key|auth-token|private-token|access-token|subscription-key)",
        rb"(?i:api-key|auth-token|private-token|access-token|subscription-key)"
        + _ASSIGN
        + rb"\\*[\"'`]?([A-Za-z0-9._~+/-]{16,500}={0,2})",
        _token_like,
    ),
    Rule(
        "generic-secret",
        rb"(?i:api[_-]?key|secret|token|credential|(?:auth|access|private|signing|encryption|account)[_-]?key)"
        + _ASSIGNED,
        rb"(?i:api[_-]?key|secret|token|credential|(?:auth|access|private|signing|encryption|account)[_-]?key)"
        rb"[A-Za-z0-9_-]{0,20}" + _ASSIGN + _QUOTE + rb"([^\s\"'`\\]{16,300})\\*[\"'`]",
        _token_like,
    ),
    Rule(
        "generic-secret",
        rb"(?:KEY|SECRET|TOKEN|CREDENTIALS?)[A-Z0-9_]{0,20}=",
        rb"(?:KEY|SECRET|TOKEN|CREDENTIALS?)[A-Z0-9_]{0,20}=([^\s\"'`\\$<>(){}\[\],;&|]{16,300})",
        _token_like,
    ),
    Rule(
        "password",
        rb"(?i:password|passwd|passphrase|pwd)" + _ASSIGNED,
        rb"(?i:password|passwd|passphrase|pwd)[A-Za-z0-9_-]{0,20}" + _ASSIGN + _QUOTE
        + rb"([^\s\"'`\\]{8,200})\\*[\"'`]",
        _password_like,
    ),
    Rule(
        "password",
        rb"(?:PASSWORD|PASSWD|PASSPHRASE|PWD)[A-Z0-9_]{0,20}=",
        rb"(?:PASSWORD|PASSWD|PASSPHRASE)[A-Z0-9_]{0,20}=([^\s\"'`\\$<>(){}\[\],;&|]{8,200})",
        _password_like,
    ),
)  # fmt: skip
"""Tried in this order: a provider's format names the kind better than `generic-secret` does."""

BASE64_RUN = rb"[A-Za-z0-9+/]{40,}={0,2}"
"""A run long enough to hold an encoded secret; it is decoded and searched again."""


def _base64_pair(secret: bytes) -> bool:
    """`Basic` credentials: base64 of `user:password`."""
    import binascii

    try:
        return b":" in binascii.a2b_base64(secret + b"=" * (-len(secret) % 4))
    except binascii.Error:
        return False

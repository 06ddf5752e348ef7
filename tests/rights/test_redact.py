"""Redaction is the only maker of `Clean`, hides whole transcripts, and fails closed."""

from __future__ import annotations

import ast
import random
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

import golddiff
from golddiff.errors import RightsError
from golddiff.rights import redact
from golddiff.rights.patterns import RULES
from golddiff.rights.redact import (
    holds_nothing,
    mask_homes,
    redact_attribution,
    redact_document,
    redact_fields,
    redact_text,
    redact_transcript,
)
from golddiff.types import (
    Attribution,
    Clean,
    Event,
    EventKind,
    FileEdit,
    LineRange,
    Replacement,
    Session,
    Transcript,
)
from rights.secrets_corpus import EMBEDDINGS, GENERIC_FORMATS, PROVIDER_FORMATS, chars

SOURCE = Path(golddiff.__file__).parent


def makers_of_clean(tree: ast.AST) -> bool:
    """Whether a module calls `Clean(...)` or casts to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.split(".")[-1] == "Clean":
                return True
            if name.split(".")[-1] == "cast" and node.args and ast.unparse(node.args[0]).strip("'\"") == "Clean":
                return True
    return False


def test_only_redaction_constructs_clean() -> None:
    makers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if makers_of_clean(ast.parse(path.read_text()))
    }
    assert makers == {"rights/redact.py"}


def github_token(seed: int = 1) -> str:
    return PROVIDER_FORMATS["github classic"](random.Random(seed))


def transcript(**fields: object) -> Transcript[str]:
    session = Session[str](
        id="ses_1",
        source="test",
        cwd="/home/alice/project",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        record_hashes=("00ff",),
    )
    event = Event[str](id="evt_1", session_id="ses_1", sequence=0, kind=EventKind.PROMPT, **fields)  # type: ignore[arg-type]
    return Transcript(session, (event,))


def test_every_string_of_a_transcript_is_redacted_wherever_it_is_nested() -> None:
    token = github_token()
    raw = transcript(
        text=f"use {token}",
        arguments=f'{{"a": "{token}"}}',
        command=f"curl -H {token}",
        edit=FileEdit[str](
            path=f"{token}.txt",
            operation="update",
            before=token,
            after=token,
            replacements=(Replacement(token, token),),
            hunks=f"+{token}",
        ),
    )
    raw = Transcript(
        msgspec.structs.replace(raw.session, branch=token, repository_url=f"https://{token}@host", skipped={token: 1}),
        raw.events,
    )
    assert token not in repr(redact_transcript(raw))


def test_fields_are_redacted_each_by_itself() -> None:
    assert redact_fields(["a", f"k={github_token()}", ""]) == ("a", "k=[REDACTED:github-token]", "")
    assert redact_fields(["api_key=", '"Zx81Qw7Rt5Yu3Io1Pa9S"']) == ("api_key=", '"Zx81Qw7Rt5Yu3Io1Pa9S"')
    assert redact_fields(["a\ud800"]) == ("a\ufffd",)


def test_ids_kinds_and_times_of_a_transcript_stay_as_they_are() -> None:
    raw = transcript(text="hello")
    assert redact_transcript(raw) == raw


def test_a_secret_that_one_event_gives_away_is_hidden_in_all_of_them() -> None:
    secret = chars(random.Random(4), 24)
    raw = transcript(text=f"it answered {secret}, is that right?", arguments=f'{{"api_key": "{secret}"}}')
    redacted = redact_transcript(raw)
    assert secret not in repr(redacted)
    assert redacted.events[0].text == "it answered [REDACTED:generic-secret], is that right?"


def test_many_secrets_of_one_transcript_are_all_hidden_everywhere() -> None:
    rng = random.Random(9)
    secrets = [chars(rng, 30) for _ in range(450)]
    raw = transcript(text=" ".join(secrets), arguments=" ".join(f'api_key="{secret}"' for secret in secrets))
    hidden = redact_transcript(raw).events[0]
    found = sum(secret not in str(hidden.arguments) for secret in secrets)
    assert found > 440
    assert sum(secret not in str(hidden.text) for secret in secrets) == found


def test_redaction_fails_closed_and_its_error_holds_nothing_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise MemoryError("out of memory near hunter2")

    monkeypatch.setattr(redact, "_anchors", broken)
    with pytest.raises(RightsError) as caught:
        redact_text("hunter2 is my password")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(RightsError):
        redact_transcript(transcript(text="anything"))


def test_a_field_type_that_redaction_does_not_know_stops_the_transcript() -> None:
    with pytest.raises(RightsError, match="bytes"):
        redact_transcript(transcript(text=b"raw bytes"))


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    assert redact_text("cut \ud83d here") == "cut \ufffd here"
    assert redact_text("whole \ud83d\ude00 pair") == "whole 😀 pair"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from(sorted(PROVIDER_FORMATS)), st.sampled_from(sorted(EMBEDDINGS)), st.text()
)
def test_redacting_twice_changes_nothing_more(seed: int, name: str, embedding: str, around: str) -> None:
    text = around + EMBEDDINGS[embedding](PROVIDER_FORMATS[name](random.Random(seed))) + around
    once = redact_text(text.encode(errors="replace").decode())
    assert redact_text(once) == once


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text())
def test_text_around_a_secret_survives(before: str, after: str) -> None:
    token = github_token()
    redacted = redact_text(f"{before} {token} {after}".encode(errors="replace").decode())
    assert token not in redacted
    assert "[REDACTED:github-token]" in redacted


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_text_without_secrets_is_returned_as_it_was(text: str) -> None:
    text = text.encode(errors="replace").decode()
    assert redact_text(text) == text


def test_the_engine_is_linear_by_construction() -> None:
    """Every rule compiles on re2, which has no backtracking, and no other engine is used in the package."""
    for rule in RULES:
        re2.compile(rule.pattern, redact._options())
    for name in ("redact.py", "patterns.py"):
        imported = ast.dump(ast.parse((SOURCE / "rights" / name).read_text()))
        assert "alias(name='re'" not in imported


def test_generic_secrets_become_the_kind_of_rule_that_found_them() -> None:
    redacted = redact_text(GENERIC_FORMATS["url password"](random.Random(1)))
    assert redacted == "postgres://app:[REDACTED:url-password]@db.internal:5432/app"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/home/alice/work", "/home/user/work"),
        ("/Users/bob.smith/x", "/Users/user/x"),
        (r"C:\Users\carol\x", r"C:\Users\user\x"),
        (r"C:\\Users\\carol\\x", r"C:\\Users\\user\\x"),
        ("/usr/home", "/usr/home"),
    ],
)
def test_names_of_home_folders_are_masked(text: str, masked: str) -> None:
    assert mask_homes(redact_text(text)) == masked


def test_clean_is_a_plain_string_at_run_time() -> None:
    assert type(redact_text("x")) is str
    assert Clean.__supertype__ is str


@pytest.mark.parametrize("sign", ["", " ", "+", "-"])
def test_the_end_of_a_private_key_is_hidden_where_a_hunk_begins_inside_it(sign: str) -> None:
    random.seed(7)
    lines = ["".join(random.choices("ABCDEFghijkl0123456789+/", k=width)) for width in (64, 64, 20)]
    text = "".join(f"{sign}{line}\n" for line in [*lines, "-----END RSA " + "PRIVATE KEY-----", "x = 1"])
    clean = redact_text(text)
    assert not any(line in clean for line in lines)
    assert clean.endswith(f"{sign}x = 1\n")


def test_a_document_is_redacted_in_keys_and_values_and_a_secret_is_hidden_everywhere() -> None:
    secret = "ghp_" + "a1B2" * 9
    text = redact_document({"a": [{"b": f"token={secret}"}], f"key {secret}": 1, "plain": secret[4:], "n": [1.5, None]})
    assert secret not in text
    assert msgspec.json.decode(text)["n"] == [1.5, None]


def test_an_attribution_is_redacted_but_its_commit_stays() -> None:
    secret = "ghp_" + "a1B2" * 9
    raw = Attribution[str](
        id="att_1", source="git-ai", claim="c", revision="0123456789abcdef" * 2 + "01234567",
        url=f"https://x/{secret}", lines=(LineRange(path=f"a/{secret}", first_line=1, last_line=2),),
    )  # fmt: skip
    clean = redact_attribution(raw)
    assert secret not in str(clean)
    assert clean.revision == raw.revision


@pytest.mark.parametrize("secret", ["plain words", "a.b*c+(d)[e]\\f|g^$", "zwölf\n\x00dreizehn", "{3}"])
def test_a_known_secret_is_seen_in_the_same_pass_whatever_its_letters_mean_to_a_pattern(secret: str) -> None:
    known = frozenset([secret, "another one"])
    assert holds_nothing(b"nothing at all", known)
    assert holds_nothing(secret.encode()[:-1] + b"!", known)
    assert not holds_nothing(b"x" + secret.encode() + b"y", known)
    assert not holds_nothing(b"and another one", known)

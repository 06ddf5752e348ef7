"""Deny by default: a row is trained on only where terms, licence and consent all say yes, and says why."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golddiff.errors import RightsError
from golddiff.rights import Grants, permits, redact_text
from golddiff.types import Grant, Provenance

START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = "qwen2.5-coder-7b-instruct"
HUMAN = Provenance(written_by="human", repository_id="rep_1", licence="MIT", commit="c0ffee")
AGENT = Provenance(
    written_by="agent", model=OPEN, repository_id="rep_1", licence="MIT", session_id="ses_1", subject="user-7"
)
SCRIPT = Provenance(
    written_by="simulated",
    provider="golddiff-simulated",
    model="golddiff-simulated",
    repository_id="rep_1",
    licence="MIT",
)


def grant(gate: str, applies_to: str, *, granted: bool = True, after: int = 0, states: str | None = None) -> Grant:
    return Grant(
        id=f"grt_{gate}_{applies_to}_{after}",
        gate=gate,
        applies_to=applies_to,
        granted=granted,
        states=states,
        by=redact_text("Ada"),
        document=redact_text("contract 7"),
        recorded_at=START + timedelta(days=after),
    )


def test_nothing_said_is_nothing_allowed() -> None:
    assert not permits(Provenance(written_by="agent")).permitted
    assert not permits(Provenance(written_by="human")).permitted
    assert not permits(Provenance(written_by="simulated")).permitted
    assert not permits(Provenance(written_by="someone else", licence="MIT")).permitted


def test_history_by_people_needs_a_permissive_licence_and_no_more() -> None:
    assert permits(HUMAN).permitted
    for licence in (None, "GPL-3.0-only", "NOASSERTION"):
        verdict = permits(msgspec.structs.replace(HUMAN, licence=licence))
        assert not verdict.permitted
        assert verdict.reasons[0].startswith("licence: denied")


def test_an_agents_row_needs_terms_licence_and_consent() -> None:
    consent = Grants([grant("consent", "user-7")])
    assert not permits(AGENT).permitted
    assert permits(AGENT, grants=consent).permitted
    for changed in ({"licence": None}, {"model": "claude-opus-4-5"}, {"model": None}, {"subject": "user-8"}):
        assert not permits(msgspec.structs.replace(AGENT, **changed), grants=consent).permitted  # type: ignore[arg-type]


def test_of_several_models_all_must_permit() -> None:
    consent = Grants([grant("consent", "*")])
    assert permits(msgspec.structs.replace(AGENT, model=f"{OPEN}, gpt-oss-20b"), grants=consent).permitted
    mixed = msgspec.structs.replace(AGENT, model=f"{OPEN}, claude-opus-4-5")
    verdict = permits(mixed, grants=consent)
    assert not verdict.permitted
    assert "claude-opus-4-5" in verdict.reasons[0]


def test_our_own_scripted_teacher_is_permitted_and_cannot_be_borrowed_as_a_name() -> None:
    assert permits(SCRIPT).permitted
    assert not permits(msgspec.structs.replace(SCRIPT, provider="openai")).permitted
    assert not permits(msgspec.structs.replace(SCRIPT, model="claude-opus-4-5")).permitted
    assert not permits(msgspec.structs.replace(SCRIPT, licence=None)).permitted


def test_written_permission_opens_a_gate_and_its_withdrawal_closes_it_again() -> None:
    closed = msgspec.structs.replace(AGENT, model="claude-opus-4-5")
    records = [grant("consent", "*"), grant("terms", "claude-opus-4-5")]
    verdict = permits(closed, grants=Grants(records))
    assert verdict.permitted
    assert any("Ada" in reason and "contract 7" in reason for reason in verdict.reasons)
    records.append(grant("terms", "claude-opus-4-5", granted=False, after=1))
    assert not permits(closed, grants=Grants(records)).permitted


@pytest.mark.parametrize("name", ["ses_1", "user-7", "*"])
def test_a_withdrawal_for_any_name_beats_consent_for_the_others(name: str) -> None:
    records = [grant("consent", other) for other in ("ses_1", "user-7", "*")]
    records.append(grant("consent", name, granted=False, after=2))
    verdict = permits(AGENT, grants=Grants(records))
    assert not verdict.permitted
    assert verdict.reasons[0].startswith("consent: withdrawn")


def test_a_stated_licence_is_judged_like_one_that_was_read() -> None:
    unread = msgspec.structs.replace(HUMAN, licence=None)
    assert permits(unread, grants=Grants([grant("licence", "rep_1", states="MIT")])).permitted
    assert not permits(unread, grants=Grants([grant("licence", "rep_1", states="GPL-3.0-only")])).permitted
    assert permits(unread, grants=Grants([grant("licence", "rep_1")])).permitted
    assert not permits(unread, grants=Grants([grant("licence", "rep_2", states="MIT")])).permitted


def test_the_latest_record_counts_whatever_order_they_come_in() -> None:
    records = [grant("consent", "*"), grant("consent", "*", granted=False, after=1), grant("consent", "*", after=2)]
    for order in itertools.permutations(records):
        assert permits(AGENT, grants=Grants(order)).permitted


def test_evaluation_asks_for_licence_and_consent_but_not_for_terms() -> None:
    closed = msgspec.structs.replace(AGENT, model="claude-opus-4-5")
    assert not permits(closed, use="evaluate").permitted
    assert permits(closed, use="evaluate", grants=Grants([grant("consent", "ses_1")])).permitted


def test_a_verdict_names_the_policy_the_use_and_every_gate_with_refusals_first() -> None:
    verdict = permits(AGENT)
    assert verdict.use == "train"
    assert "terms 20" in verdict.policy
    assert {reason.split(":")[0] for reason in verdict.reasons} == {"terms", "licence", "consent"}
    assert verdict.reasons[0].startswith("consent: none")


def test_an_unknown_use_is_an_error_not_a_yes() -> None:
    with pytest.raises(RightsError, match="sell"):
        permits(HUMAN, use="sell")


PROVENANCES = st.builds(
    Provenance,
    written_by=st.sampled_from(["agent", "human", "simulated", "other"]),
    provider=st.sampled_from([None, "golddiff-simulated", "anthropic", "qwen", "x"]),
    model=st.sampled_from([None, OPEN, "claude-opus-4-5", f"{OPEN}, claude-opus-4-5", "golddiff-simulated", "x"]),
    repository_id=st.just("rep_1"),
    licence=st.sampled_from([None, "MIT", "GPL-3.0-only", "MIT OR GPL-3.0-only", "MIT AND GPL-3.0-only"]),
    session_id=st.just("ses_1"),
    subject=st.sampled_from([None, "user-7"]),
)


@given(PROVENANCES)
def test_without_any_record_no_agents_row_is_ever_permitted(provenance: Provenance) -> None:
    verdict = permits(provenance)
    if provenance.written_by not in ("human", "simulated"):
        assert not verdict.permitted
    if verdict.permitted:
        assert provenance.licence in ("MIT", "MIT OR GPL-3.0-only")


@given(PROVENANCES, st.booleans())
def test_a_withdrawn_consent_never_permits_an_agents_row(provenance: Provenance, all_terms: bool) -> None:
    records = [grant("consent", "ses_1", granted=False)]
    if all_terms:
        records += [grant("terms", name) for name in (OPEN, "claude-opus-4-5", "golddiff-simulated", "x")]
    if provenance.written_by == "agent":
        assert not permits(provenance, grants=Grants(records)).permitted

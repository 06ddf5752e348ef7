"""Records are frozen, documented field by field, and travel through JSON unchanged."""

from __future__ import annotations

import ast
import inspect

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golddiff import types
from golddiff.types import Clean, Event, EventKind, FileEdit, Replacement, derive_id, new_id


def test_new_ids_are_unique_and_sorted_by_time() -> None:
    ids = [new_id("ses") for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [i[:14] for i in ids] == sorted(i[:14] for i in ids)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_differ_when_their_parts_differ(left: list[str], right: list[str]) -> None:
    assert (derive_id("x", *left) == derive_id("x", *right)) is (left == right)


def test_records_are_frozen() -> None:
    with pytest.raises(AttributeError):
        types.Repository(id="repo_1", name="a").name = "b"  # type: ignore[misc]


def test_an_event_travels_through_json_unchanged() -> None:
    edit = FileEdit[Clean](path="a", operation="update", replacements=(Replacement(Clean("a"), Clean("b")),))
    event = Event[Clean](id="e", session_id="s", sequence=0, kind=EventKind.EDIT, edit=edit)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event[Clean]) == event


def test_every_record_and_every_field_says_what_it_is() -> None:
    for node in ast.parse(inspect.getsource(types)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        assert ast.get_docstring(node), node.name
        for field, following in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and ast.unparse(field.target) != "__test__":
                documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                assert documented, f"{node.name}.{ast.unparse(field.target)}"

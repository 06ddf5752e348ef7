"""Windows are slices of the file, do not overlap, and put together again give the file after."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from golddiff.patch import parse, render, split
from golddiff.prompts.windows import Change, changes_of, windows

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "  d\n"]), max_size=40)


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[str], list[Change]]:
    """A file and changes of it, sorted and apart."""
    lines = draw(LINES)
    marks = sorted(draw(st.lists(st.integers(0, len(lines)), max_size=8, unique=True)))
    changes = []
    for start, stop in zip(marks[::2], marks[1::2], strict=False):
        new = tuple(draw(st.lists(st.sampled_from(["x\n", "y\n"]), max_size=3)))
        if tuple(lines[start:stop]) != new and (not changes or changes[-1].stop < start):
            changes.append(Change(start, stop, new))
    return lines, changes


def applied(lines: list[str], changes: list[Change]) -> str:
    out = []
    at = 0
    for change in changes:
        out += [*lines[at : change.start], *change.new]
        at = change.stop
    return "".join([*out, *lines[at:]])


@given(edited(), st.integers(0, 5))
def test_windows_are_slices_that_do_not_overlap_and_rebuild_the_file(
    case: tuple[list[str], list[Change]], context: int
) -> None:
    lines, changes = case
    rebuilt = []
    at = 0
    for window in windows(lines, changes, context):
        start = window.start_line - 1
        size = len(split(window.before))
        assert start >= at
        assert "".join(lines[start : start + size]) == window.before
        assert window.other is None
        rebuilt += [*lines[at:start], window.after]
        at = start + size
    assert "".join([*rebuilt, *lines[at:]]) == applied(lines, changes)


@given(edited(), st.integers(0, 3))
def test_a_patch_shows_the_same_windows_as_the_whole_file(case: tuple[list[str], list[Change]], context: int) -> None:
    lines, changes = case
    before, after = "".join(lines), applied(lines, changes)
    patches = parse(render("f", before, after))
    if not patches:
        return
    found, known = changes_of(patches[0].hunks)
    assert windows(known, found, context) == windows(lines, found, context)


def test_context_is_kept_on_both_sides_and_stops_at_the_ends() -> None:
    lines = [f"{number}\n" for number in range(10)]
    (window,) = windows(lines, [Change(1, 2, ("x\n",))], 3)
    assert (window.start_line, window.before, window.after) == (1, "0\n1\n2\n3\n4\n", "0\nx\n2\n3\n4\n")


def test_changes_whose_contexts_touch_share_a_window_and_others_do_not() -> None:
    lines = [f"{number}\n" for number in range(30)]
    near = [Change(5, 6, ()), Change(10, 11, ())]
    far = [Change(5, 6, ()), Change(11, 12, ())]
    assert len(windows(lines, near, 2)) == 1
    assert len(windows(lines, far, 2)) == 2


def test_two_versions_of_a_change_share_the_window_before() -> None:
    lines = [f"{number}\n" for number in range(10)]
    (window,) = windows(lines, [Change(4, 5, ("gold\n",))], 1, [Change(5, 6, ("first\n",))])
    assert window.before == "3\n4\n5\n6\n"
    assert window.after == "3\ngold\n5\n6\n"
    assert window.other == "3\n4\nfirst\n6\n"


def test_changes_of_the_other_version_elsewhere_make_no_window() -> None:
    lines = [f"{number}\n" for number in range(30)]
    (window,) = windows(lines, [Change(4, 5, ("gold\n",))], 1, [Change(20, 21, ("first\n",))])
    assert window.other == window.before


def test_lines_that_nothing_shows_keep_changes_apart() -> None:
    known = {4: "4\n", 8: "8\n"}
    assert len(windows(known, [Change(4, 5, ()), Change(8, 9, ())], 3)) == 2

"""The story of a session in the terminal: a numbered chapter for each attempt, then how it ended."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from golddiff.web import words
from golddiff.web.story import Chapter, Story

_ACCENT = "yellow"
_PATHS = 6
_FATES = {"kept": "green", "revised": _ACCENT, "superseded": "dim", "rejected": "red"}


def show(story: Story, console: Console) -> None:
    """Print the story."""
    console.print()
    console.print(Text("The story", style="bold"))
    for number, chapter in enumerate(story.chapters, 1):
        console.print()
        for line in _chapter(number, chapter):
            console.print(line, soft_wrap=False)
    console.print()
    for line in _end(story):
        console.print(line)


def _chapter(number: int, chapter: Chapter) -> Iterator[Text]:
    at = f"{chapter.at:%Y-%m-%d %H:%M}  " if chapter.at else ""
    asked = chapter.asked or ("(no prompt)",)
    yield Text.assemble((f"{number:>2}  ", "bold"), (at, "dim"), f"“{asked[0]}”")
    for prompt in asked[1:]:
        yield _indented(f"“{prompt}”")
    did = [
        *([f"edited {_paths(chapter.edited)}"] if chapter.edited else []),
        *([words.counted(chapter.commands, "command")] if chapter.commands else []),
        *([words.counted(chapter.calls, "other call")] if chapter.calls else []),
    ]
    yield _indented("the agent " + ("; ".join(did) if did else "answered"))
    if chapter.tests:
        more = f"{len(chapter.tests)} test runs, the last " if len(chapter.tests) > 1 else "tests: "
        yield _indented(more + chapter.tests[-1])
    stops = [
        *([words.counted(chapter.rejections, "rejected tool use")] if chapter.rejections else []),
        *([words.counted(chapter.interruptions, "interruption")] if chapter.interruptions else []),
    ]
    if stops:
        yield _indented("you stepped in: " + ", ".join(stops))
    if chapter.fate is not None and (chapter.added_lines or chapter.removed_lines):
        kept = "" if chapter.kept is None else f", {100 * chapter.kept:.0f} % of its added lines kept"
        text = _indented(f"the state it left: +{chapter.added_lines} −{chapter.removed_lines}: ")
        text.append(chapter.fate, style=_FATES.get(chapter.fate, ""))
        text.append(kept)
        yield text
    if chapter.changed_by_hand:
        changed = ", ".join(f"{path} {size}" for path, size in list(chapter.changed_by_hand.items())[:_PATHS])
        yield _indented(f"then you changed by hand: {changed}")
    elif chapter.changed_by_hand is not None:
        yield _indented("you changed nothing by hand before the agent went on", "dim")


def _end(story: Story) -> Iterator[Text]:
    if story.state is None:
        yield Text("It is not linked with any repository yet: golddiff outcomes --repo PATH", style="dim")
        return
    lines = story.lines
    yield Text.assemble(
        ("It ended ", ""), (story.state, f"bold {_ACCENT}"), (f" (confidence {story.confidence or 0:.2f})", "dim")
    )
    if lines.known:
        yield _indented(
            f"of {words.counted(lines.written, 'line')} written: {lines.kept:,} kept, {lines.revised:,} revised, "
            f"{lines.dropped:,} dropped" + (f", {lines.unknown:,} unknown" if lines.unknown else "")
        )
    for end in story.endings:
        when = f" of {end.at:%Y-%m-%d}" if end.at else ""
        where = {True: "", False: ", not on the default branch", None: ""}[end.on_default_branch]
        yield _indented(
            f"in {end.sha[:12]}{when} “{end.subject}”: {end.lines_shared:,} of its {end.lines_total:,} added lines "
            f"(confidence {end.confidence:.2f}{where})"
        )
    if not story.endings and story.reasons:
        yield _indented(story.reasons[0], "dim")
    if story.life is not None:
        life = story.life
        until = f"{life.observed_until:%-d %b %Y}"
        yield _indented(f"of {words.counted(life.lines, 'accepted line')}, {life.still:,} were still there on {until}")
        if life.median_days is not None:
            yield _indented(
                f"{life.ended_by_people:,} ended by people or unknown, {life.ended_by_agents:,} overwritten by agents; "
                f"half of those that ended had lived {words.days(life.median_days)} days"
            )


def _indented(text: str, style: str = "") -> Text:
    return Text("    " + text, style=style)


def _paths(edited: dict[str, int]) -> str:
    shown = [path + (f" ×{count}" if count > 1 else "") for path, count in list(edited.items())[:_PATHS]]
    more = len(edited) - len(shown)
    return ", ".join(shown) + (f" and {words.counted(more, 'more file')}" if more else "")

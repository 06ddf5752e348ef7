"""`golddiff demo`: the whole loop on real code with a simulated team."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from golddiff import config as settings
from golddiff.cli.app import console, emit_json, json_option, output
from golddiff.store import Store

if TYPE_CHECKING:
    from rich.progress import TaskID

    from golddiff.outcomes.run import Summary as Outcomes
    from golddiff.recipes.house_style.pipeline import Finished, Listener
    from golddiff.train.r1 import Tick


@click.command(
    epilog="""\b
Examples:
  golddiff demo
  golddiff demo --output /tmp/demo --seed 7
"""
)
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Folder for the reports and the demo's own workspace.",
)
@click.option("--seed", type=int, help="Another plan, other slips, other row order.  [default: a fixed one]")
@json_option
def command(folder: Path, seed: int | None, as_json: bool) -> None:
    """Play a small product over real code, train a student on what its team kept, and measure it.

    Team, user and teacher are SIMULATED; code, checks, transcripts, git history and the pipeline are real. Takes about
    a quarter of an hour on 2 cores the first time. Stop it whenever you like: the same command continues.
    """
    from golddiff.recipes.house_style.config import DemoConfig
    from golddiff.recipes.house_style.pipeline import run_demo
    from golddiff.recipes.house_style.report import SIMULATED, try_it, write_reports
    from golddiff.recipes.house_style.report import as_json as report_of

    console.print(escape(SIMULATED), style="yellow")
    config = DemoConfig() if seed is None else DemoConfig(seed=seed)
    workspace = folder / "workspace"
    with Store.open(workspace) as store, _Shown() as shown:
        done = run_demo(
            store,
            settings.cache_folder(),
            config,
            shown.listener(),
            after_outcomes=lambda outcomes: _sessions_page(store, outcomes, folder / "sessions.html"),
        )
        shown.step("Report")
        page = write_reports(done, folder, workspace)
    if as_json:
        emit_json(report_of(done))
    else:
        _show(done)
    serve, ask = try_it(done, workspace, "golddiff" if shutil.which("golddiff") else sys.argv[0])
    output_to = console if as_json else output
    output_to.print(f"\nPage:     {page}", soft_wrap=True, highlight=False, markup=False)
    output_to.print(f"Sessions: {folder / 'sessions.html'}", soft_wrap=True, highlight=False, markup=False)
    output_to.print(f"Try it:   {serve}\n          {ask}", soft_wrap=True, highlight=False, markup=False)


def _sessions_page(store: Store, outcomes: Outcomes, path: Path) -> None:
    from golddiff.web import facts, page
    from golddiff.web.summary import summarise

    read = facts.read(store, [outcomes.repository.id])
    page.write(summarise("A simulated product", read, now=datetime.now(UTC)), path)


def _show(done: Finished) -> None:
    from golddiff.evaluate.report import terminal

    workflow, off = done.measured.workflow.summary, done.measured.off_workflow.summary
    terminal.show(workflow, output)
    families = ", ".join(f"{family} {share.estimate:.0%}" for family, share in workflow.arm("student").families.items())
    output.print(f"Student by family: {families}", highlight=False)
    output.print("\nOff-workflow families, never trained on, base and student sent the same messages:", style="bold")
    terminal.show(off, output)
    untouched = done.measured.untouched
    before, after, change = untouched.arms["base"], untouched.arms["student"], untouched.differences["student"]
    output.print(
        f"Untouched code: {before.estimate:.3f} nats per token before, {after.estimate:.3f} after, change "
        f"{change.estimate:+.3f} [{change.low:+.3f}, {change.high:+.3f}]",
        highlight=False,
        markup=False,
    )
    output.print(f"{done.minutes:.1f} minutes in all. Team and teacher are simulated.", highlight=False)


class _Shown:
    """Progress on the terminal: a line per step, a bar for what takes long."""

    def __enter__(self) -> _Shown:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[more]}"))
        self._bars = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)
        self._bars.start()
        self._tasks: dict[str, TaskID] = {}
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def listener(self) -> Listener:
        """Return the callbacks."""
        from golddiff.recipes.house_style.pipeline import Listener

        return Listener(step=self.step, say=self.say, count=self.count, tick=self.tick)

    def step(self, title: str) -> None:
        """A step begins; bars of the one before go."""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks.clear()
        console.print(f"== {title}", style="bold", markup=False, highlight=False)

    def say(self, text: str) -> None:
        """A line."""
        console.print(f"   {text}", style="dim", markup=False, highlight=False, soft_wrap=True)

    def count(self, what: str, done: int, total: int, more: str = "") -> None:
        """A bar."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, more="")
        self._bars.update(self._tasks[what], completed=done, total=total, more=more)

    def tick(self, arm: str, tick: Tick) -> None:
        """A training step."""
        speed = tick.tokens / tick.seconds if tick.seconds else 0.0
        self.count(f"train: {arm}", tick.step, tick.steps, f"loss {tick.loss:.2f}  {speed:.0f} tokens/s")
        if not console.is_terminal and tick.step % max(1, tick.steps // 8) == 0:  # a log shows no bar
            self.say(f"{arm}: step {tick.step} of {tick.steps}, loss {tick.loss:.2f}, {speed:.0f} tokens/s")

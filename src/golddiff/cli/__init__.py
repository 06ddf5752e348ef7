"""The command line: one file per verb, and the only place where stages are put together."""

from __future__ import annotations

import sys

import click

from golddiff import __version__
from golddiff.cli.app import LazyGroup, run

COMMANDS = {
    "report": "golddiff.cli.report:command",
    "import": "golddiff.cli.import_:command",
    "hooks": "golddiff.cli.hooks:command",
    "watch": "golddiff.cli.watch:command",
    "otlp": "golddiff.cli.otlp:command",
    "accept": "golddiff.cli.verdict:accept",
    "reject": "golddiff.cli.verdict:reject",
    "revise": "golddiff.cli.verdict:revise",
    "signals": "golddiff.cli.signals:command",
    "outcomes": "golddiff.cli.outcomes:command",
    "show": "golddiff.cli.show:command",
    "rights": "golddiff.cli.rights:command",
    "export": "golddiff.cli.export:command",
    "curate": "golddiff.cli.curate:command",
    "model": "golddiff.cli.model:command",
    "train": "golddiff.cli.train:command",
    "evaluate": "golddiff.cli.evaluate:command",
    "tasks": "golddiff.cli.tasks:command",
    "compare": "golddiff.cli.compare:command",
    "serve": "golddiff.cli.serve:command",
    "gateway": "golddiff.cli.gateway:command",
    "keys": "golddiff.cli.keys:command",
    "store": "golddiff.cli.store:command",
    "demo": "golddiff.cli.demo:command",
}
"""Verb → where its command is; the order is the order of the help."""

application = click.version_option(__version__, prog_name="golddiff")(
    LazyGroup(
        COMMANDS,
        name="golddiff",
        help="Train a small model from what users keep.\n\nStart inside a repository with: golddiff report",
    )
)


def main() -> None:
    """Entry point of the `golddiff` program."""
    sys.exit(run(application))

"""What every verb shares: the group that loads verbs lazily, the options, the consoles, errors → exit codes.

`golddiff.cli.COMMANDS` names one module per verb; importing one verb never imports another's libraries, so
`golddiff --help` is quick and reports need no torch.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from golddiff import config
from golddiff.errors import GolddiffError, WorkspaceError

if TYPE_CHECKING:
    from rich.status import Status

    from golddiff.store.location import Location

Workspace: TypeAlias = "Path | Location"
"""Where a workspace is: what `--workspace` gives and `Store.open` takes."""
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

console = Console(stderr=True)
"""Progress, notes and warnings: standard error, so that standard output stays clean for results."""
output = Console()
"""Tables and results for people."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, commands: dict[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._paths = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._paths)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = self._paths.get(cmd_name)
        if path is None:
            return None
        module, _, attribute = path.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class _WorkspaceType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A folder, or a PostgreSQL URL."""

    name = "folder or url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Workspace:
        from golddiff.store.location import Location

        if isinstance(value, Path | Location):
            return value
        if Path(value).is_file():
            self.fail(f"{value} is a file; a workspace is a folder or a postgresql:// URL.", param, ctx)
        return _simplest(Location.configured(config.load(Path.cwd()), value))


def _simplest(location: Location) -> Workspace:
    return location if location.database or location.blobs else location.folder


def workspace_option(function: FunctionT) -> FunctionT:
    """Add `--workspace`; the function gets `workspace: Workspace`, which `Store.open` takes."""

    def default() -> Workspace:
        from golddiff.store.location import Location

        return _simplest(Location.configured(config.load(Path.cwd())))

    return click.option(
        "--workspace",
        type=_WorkspaceType(),
        metavar="FOLDER|URL",
        default=default,
        show_default=".golddiff, or GOLDDIFF_WORKSPACE",
        help="Folder of the store, or postgresql:// URL.",
    )(function)


def workers_options(function: FunctionT) -> FunctionT:
    """Add `--jobs` and `--ray`; the function gets `workers: Workers`."""

    @click.option(
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many at a time, in processes of this machine; with --ray, at most so many.  [default: 1]",
    )
    @click.option(
        "--ray",
        metavar="ADDRESS",
        help="Work on Ray: `local` for workers on this machine, `auto` for the cluster it is in, HOST:PORT, or "
        "ray://HOST:PORT.  [needs the extra `ray`]",
    )
    @functools.wraps(function)
    def wrapped(*arguments: Any, jobs: int | None, ray: str | None, **options: Any) -> Any:
        from golddiff.parallel import Workers

        return function(*arguments, workers=Workers(jobs, ray), **options)

    return cast(FunctionT, wrapped)


def json_option(function: FunctionT) -> FunctionT:
    """Add `--json`; the function gets `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(function)


def emit_json(data: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data), indent=2).decode() + "\n")


def stages(status: Status) -> Callable[[str], None]:
    """Return what shows progress: the status line of a terminal, elsewhere one line where a stage begins.

    A stage is known by its first word: of `judging session 1 of 40` and all that follow, one is printed.
    """
    told: set[str] = set()

    def show(text: str) -> None:
        stage = text.partition(" ")[0]
        if console.is_terminal:
            status.update(escape(text))
        elif stage not in told:
            told.add(stage)
            console.print(text, markup=False, highlight=False)

    return show


def run(group: click.Command, arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: errors become one message, Ctrl-C becomes 130."""
    try:
        result = group.main(args=arguments, prog_name="golddiff", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        console.print("\nStopped. What was finished is kept; run the same command again to continue.")
        return 130
    except GolddiffError as error:
        console.print("[bold red]error:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except (FileNotFoundError, NotADirectoryError) as error:
        console.print("[bold red]error:[/]", end=" ")
        said = f"{error}. Give a path whose folder exists, or make the folder, then run the same command again."
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        return WorkspaceError.exit_code
    except OSError as error:  # a full or read-only disk, wherever it was met
        console.print("[bold red]error:[/]", end=" ")
        said = (
            f"{error}. Free space or fix the permissions, then run the same command again: what was finished is kept."
        )
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        return WorkspaceError.exit_code
    return result if isinstance(result, int) else 0

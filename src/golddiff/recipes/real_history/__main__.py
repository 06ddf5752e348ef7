"""`python -m golddiff.recipes.real_history --repo PATH`: repeat the study on any repository."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from golddiff import config
from golddiff.errors import GolddiffError
from golddiff.evaluate.report import terminal
from golddiff.recipes.real_history.run import run
from golddiff.store import Location, Store


def main() -> int:
    """Run the recipe and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m golddiff.recipes.real_history", description=__doc__)
    parser.add_argument("--repo", type=Path, required=True, help="a repository under a permissive licence")
    parser.add_argument("--workspace", default=Location.configured(config.load(Path.cwd())))
    arguments = parser.parse_args()
    notes = Console(stderr=True)
    try:
        with Store.open(arguments.workspace) as store:
            summary, page = run(
                store, arguments.repo, config.cache_folder(), say=lambda text: notes.print(text, markup=False)
            )
    except GolddiffError as error:
        notes.print(f"error: {error}", markup=False)
        return error.exit_code
    except KeyboardInterrupt:
        notes.print("Stopped. Run the same command again to continue.")
        return 130
    output = Console()
    terminal.show(summary, output)
    output.print(f"Page: {page}", soft_wrap=True, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())

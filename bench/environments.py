"""How many repositories' declared packages can be installed for their tests, and what is left out? One command:

    python -m bench.environments --repositories FOLDER [--only TEXT] [--cache FOLDER] [--write]

For each Python repository among the bare clones `FOLDER/<owner>+<name>/repo`: the recipe at the tip of its default
branch, installed from wheels as `golddiff tasks build --install` does it, and what becomes of the tip's own tests, the
first files of its folders of tests, in the sandbox with it. What declares nothing has no row. Seconds are of an empty
cache, by this machine's index and load.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from golddiff.errors import InputError
from golddiff.evaluate.tasks.environments import cached, install, of_repository
from golddiff.evaluate.tasks.repository import export_tree
from golddiff.git import GitRepository
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.scoring.executed import Unscored
from golddiff.scoring.grading import Grader
from golddiff.scoring.suite import Suite

_BEGIN, _END = "<!-- bench/environments begin -->", "<!-- bench/environments end -->"


def main() -> None:
    """Install for every repository, run its tests, print, and with `--write` put the table into docs/benchmarks.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repositories", type=Path, required=True, help="folder of bare clones, <owner>+<name>/repo")
    parser.add_argument("--only", default="", help="names that hold this text")
    parser.add_argument("--cache", type=Path, help="keep what is installed here")
    parser.add_argument("--files", type=int, default=12, help="test files of each repository that are run")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/benchmarks.md")
    arguments = parser.parse_args()
    lines = [
        "| repository | recipe | installed | left out | seconds | test files run | tests passed | not |",
        "|---" * 8 + "|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for clone in sorted(arguments.repositories.glob("*+*/repo")):
            if arguments.only in clone.parent.name:
                with GitRepository.open(clone) as git:
                    line = _measure(git, clone.parent.name.replace("+", "/"), arguments, Path(folder))
                if line:
                    lines.append(line)
                    print(line, flush=True)
    text = "\n".join([f"Load {os.getloadavg()[0]:.0f}.", "", *lines])
    print(text)
    if arguments.write:
        page = Path(__file__).parents[1] / "docs/benchmarks.md"
        head, _, rest = page.read_text("utf-8").partition(_BEGIN)
        page.write_text(head + _BEGIN + "\n" + text + "\n" + _END + rest.partition(_END)[2], "utf-8")


def _measure(git: GitRepository, name: str, arguments: argparse.Namespace, folder: Path) -> str:
    branch = git.default_branch()
    if branch is None:
        return ""
    recipe = of_repository(git)
    if recipe.source == "nothing declared":
        return ""
    cache = arguments.cache or folder / "cache"
    try:
        environment = cached(recipe, cache) or install(recipe, cache)
    except InputError as problem:
        return f"| {name} | {recipe.source} | **did not build**: {' '.join(str(problem).split())[:200]} | | | | | |"
    tree = folder / name.replace("/", "+")
    export_tree(git, branch[1], tree)
    found = [path.relative_to(tree) for path in sorted(tree.rglob("test_*.py"))]
    tests = [path for path in found if {"test", "tests", "testing"} & set(path.parts)]  # not documentation's examples
    files = [path.as_posix() for path in (tests or found)[: arguments.files]]
    suite = Suite(
        tree=tree,
        expected=tuple(f"{path}::any" for path in files),
        packages=environment.packages,
        plugins=environment.plugins,
    )
    ends = Grader(open_sandbox()).outcomes(suite, {}) if files else {}
    passed = [] if isinstance(ends, Unscored) else [end for end in ends.values() if end == "passed"]
    said = ends.reason[:80] if isinstance(ends, Unscored) else str(len(ends) - len(passed))
    if files and not isinstance(ends, Unscored) and not ends:
        said = "nothing is collected"
    left = "; ".join(environment.left_out) or "–"
    return (
        f"| {name} | {recipe.source} | {len(environment.installed)} | {left[:200]} | {environment.seconds:.0f} |"
        f" {len(files)} | {len(passed)} | {said} |"
    )


if __name__ == "__main__":
    main()

"""Lays out a tree inside the sandbox, runs pytest on it and says how each test ended.

How it fits: `grading` hands this file's source to the sandbox as the trusted program of a job; the fork server has
imported pytest before any candidate was seen. Standard library and pytest only, nothing of golddiff.

It is told which files to write and which test files to run, and never which tests are expected to pass: candidate
code runs in this process and could read that. What it prints is therefore a claim; `grading` compares the claim with
what it alone knows. Outcomes are taken from what a test raised and from pytest's report of it: both must be good.
"""

import base64
import contextlib
import json
import os
import shutil
import sys
from typing import Any

import pytest

TREE, ROOT = "/tree", "/work/tree"
MOST_DETAIL, MOST_DETAILS = 400, 200
OPTIONS = (
    "-q", "--assert=plain", "--continue-on-collection-errors", "-W", "ignore", "-p", "no:cacheprovider",
    "-p", "no:unraisableexception", "-p", "no:threadexception", "--tb=no", "-rN",
    "-o", "addopts=", "-o", "filterwarnings=", "-o", "minversion=", "-o", "required_plugins=", f"--rootdir={ROOT}",
)  # fmt: skip


def main() -> None:
    """Read the order from the file that the first argument names, run it, print what happened as one JSON value."""
    with open(sys.argv[1], encoding="utf-8") as source:
        order = json.load(source)
    try:
        lay_out(order["files"])
    except OSError as problem:  # before any candidate code has run: ours to answer for
        sys.stdout.write(json.dumps({"setup": str(problem)}))
        return
    os.unlink(sys.argv[1])
    roots = [place for name in order["import_from"] if os.path.isdir(place := os.path.join(ROOT, name).rstrip("/"))]
    sys.path[:0] = roots
    os.environ["PYTHONPATH"] = os.pathsep.join([*roots, *order["packages"]])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    sys.argv = ["pytest"]
    replies = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    record = Record()
    plugins = [part for name in order["plugins"] for part in ("-p", name)]
    code = pytest.main([*OPTIONS, *plugins, *order["tests"]], plugins=[record])
    said = {
        "outcomes": record.outcomes(),
        "details": record.details,
        "collection": record.collection,
        "exit": int(code),
    }
    with os.fdopen(replies, "w", encoding="utf-8", errors="backslashreplace") as target:
        json.dump(said, target)


def lay_out(files: dict[str, Any]) -> None:
    """Copy the tree and write (base64) or remove (None) files in it."""
    copy(TREE, ROOT)
    for name, data in files.items():
        path = os.path.join(ROOT, name)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        if data is None:
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as target:
            target.write(base64.b64decode(data))


def copy(source: str, target: str) -> None:
    """Copy a folder, links as links; compiled files are made anew."""
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            place = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                if entry.name != "__pycache__":
                    copy(entry.path, place)
            elif entry.is_file():
                shutil.copyfile(entry.path, place)
                if entry.stat().st_mode & 0o100:
                    os.chmod(place, 0o700)


class Record:
    """Plugin that remembers how every phase of every test ended."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[str, str]] = {}
        self.details: dict[str, str] = {}
        self.collection: dict[str, str] = {}

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """Look at the exception itself, too, not only at the report that says how it is to be counted."""
        result = yield
        report = result.get_result()
        good = call.excinfo is None and report.outcome == "passed"
        ended = "passed" if good else "skipped" if report.outcome == "skipped" else "failed"
        self.phases.setdefault(item.nodeid, {})[call.when] = ended
        if ended == "failed" and len(self.details) < MOST_DETAILS:
            self.details[item.nodeid] = text(lambda: call.excinfo.exconly(tryshort=True))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count reports that are not of a phase, such as those of subtests, where they say that something failed."""
        if report.outcome == "failed":
            self.phases.setdefault(report.nodeid, {})["failure"] = "failed"

    def pytest_collectreport(self, report: Any) -> None:
        """Remember files that could not be collected."""
        if report.outcome == "failed" and len(self.collection) < MOST_DETAILS:
            self.collection[report.nodeid] = text(lambda: str(report.longrepr))

    def outcomes(self) -> dict[str, str]:
        """Return `passed`, `failed` or `skipped` by node id."""
        found = {}
        for identity, phases in self.phases.items():
            ends = set(phases.values())
            whole = {"setup", "call", "teardown"} <= phases.keys()
            found[identity] = "failed" if "failed" in ends else "passed" if whole and ends == {"passed"} else "skipped"
        return found


def text(said: Any) -> str:
    """Return the end of what a function says; candidates' exceptions may not know how to say anything."""
    try:
        return str(said())[-MOST_DETAIL:]
    except Exception as problem:
        return f"an exception that cannot be shown ({type(problem).__name__})"


if __name__ == "__main__":
    main()

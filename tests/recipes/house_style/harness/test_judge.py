"""The judge accepts what does the same in style, and refuses every change that shows when it runs."""

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.house_style.one_site import found_in

from golddiff.recipes.house_style.harness.judge import judge
from golddiff.recipes.house_style.harness.program import check_of, expected_of

FORMATTING: dict[str, Any] = {"family": "f-strings", "mode": "statement"}
BEFORE = '        raise KeyError("%s: %r not %d" % (self.name, key, n + 1))'


def passes(candidate: str, before: str = BEFORE, spec: dict[str, Any] = FORMATTING) -> bool:
    return judge(candidate, spec) == expected_of(before, spec)


@pytest.mark.parametrize(
    "candidate",
    [
        'raise KeyError(f"{self.name}: {key!r} not {n + 1:d}")',
        "raise KeyError(f'{self.name!s}: {repr(key)} not {(n + 1):d}')",
        'raise KeyError(self.name.__str__() + f": {key!r} not {n + 1:d}")',
    ],
)
def test_another_way_to_the_same_result_passes(candidate: str) -> None:
    assert passes(candidate)


@pytest.mark.parametrize(
    "candidate",
    [
        BEFORE,
        'raise KeyError("{}: {!r} not {:d}".format(self.name, key, n + 1))',
        'raise KeyError(f"{self.name}: {key} not {n + 1:d}")',
        'raise KeyError(f"{self.name}: {key!r} not {n + 1}")',
        'raise KeyError(f"{self.name}: {key!r} not {n:d}")',
        'raise KeyError(f"{self.names}: {key!r} not {n + 1:d}")',
        'raise ValueError(f"{self.name}: {key!r} not {n + 1:d}")',
        'return KeyError(f"{self.name}: {key!r} not {n + 1:d}")',
        'raise KeyError(f"{self.name} {key!r} not {n + 1:d}")',
        'raise KeyError(f"{self.name}: {key!r} not {n + 1:d}"',
        'log(self); raise KeyError(f"{self.name}: {key!r} not {n + 1:d}")',
        "",
    ],
)
def test_the_old_text_and_every_wrong_edit_are_refused(candidate: str) -> None:
    assert not passes(candidate)


def test_a_changed_keyword_of_a_header_is_refused() -> None:
    spec = {"family": "off: not in", "mode": "statement"}
    assert passes("elif a not in b:", "elif not a in b:", spec)
    assert not passes("if a not in b:", "elif not a in b:", spec)


def test_calls_assignments_and_what_is_yielded_are_part_of_what_a_statement_does() -> None:
    assert passes('a.b[c] = f(f"{d}", e=1)', 'a.b[c] = f("%s" % d, e=1)')
    assert not passes('a.b[c] = f(f"{d}", e=2)', 'a.b[c] = f("%s" % d, e=1)')
    assert not passes('a.b = f(f"{d}", e=1)', 'a.b[c] = f("%s" % d, e=1)')
    assert passes('yield f"{d}", x', 'yield "%s" % d, x')
    assert not passes('yield f"{d}", y', 'yield "%s" % d, x')


def test_the_program_runs_without_golddiff_and_prints_what_is_expected(tmp_path: Path) -> None:
    check = check_of(BEFORE, FORMATTING)
    candidate = tmp_path / "candidate"
    candidate.write_text('        raise KeyError(f"{self.name}: {key!r} not {n + 1:d}")\n')
    program = tmp_path / "program.py"
    program.write_text(check.program)
    command = [sys.executable, "-I", "-S", str(program), str(candidate)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(check.expected)
    assert "golddiff" not in check.program.replace("golddiff.scoring", "").replace("imports of golddiff", "")


def test_no_name_means_two_things_in_the_joined_program() -> None:
    tree = ast.parse(check_of(BEFORE, FORMATTING).program)
    names = Counter(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("before", [BEFORE.strip(), 's += "  %s\\n" % line', 'x = a + "%s" % b', 'x = "%s" % type(a)'])
def test_the_joined_program_decides_as_the_judge_here(before: str, tmp_path: Path) -> None:
    site = found_in(before + "\n").sites[0]
    check = check_of(site.before, site.spec)
    candidate, program = tmp_path / "candidate", tmp_path / "program.py"
    candidate.write_text(site.after + "\n")
    program.write_text(check.program)
    command = [sys.executable, "-I", "-S", str(program), str(candidate)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(check.expected)

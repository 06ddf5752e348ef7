"""Planted tests look like their neighbours, fail where the originals pass, and leave the originals as they are."""

import ast
import random

import pytest

from golddiff.scoring.canaries import mutable, plant
from golddiff.scoring.suite import Mutant

SOURCE = b"""\
import pytest

class Helper:
    def test_value(self):
        self.assertEqual(f(1), 2)
        self.assertTrue(f(1))


@pytest.mark.parametrize("a, wanted", [
    (1, 2),
    ("x", [3]),
])
def test_rows(a, wanted):
    assert f(a) == wanted


async def test_error():
    with pytest.raises(ValueError, match="x"):
        f()
    for n in range(3):
        assert (f(n)
                == "text"), "message"
    try:
        assert f(9) == 9
    except OSError:
        pass


def test_names():
    assert test_names is not None
"""


def planted(seed: int = 1) -> tuple[str, dict[str, str]]:
    found = plant(SOURCE, mutable("t.py", SOURCE), random.Random(seed))
    assert found is not None
    return found.data.decode(), {name: f"{mutant.test}:{mutant.site}" for name, mutant in found.mutants.items()}


def test_assertions_that_compare_come_first_and_those_that_may_not_be_reached_are_left_out() -> None:
    found = [(mutant.test, mutant.site) for mutant in mutable("t.py", SOURCE)]
    assert found == [
        ("Helper.test_value", 0),
        ("test_rows", 0),
        ("test_error", 1),
        ("Helper.test_value", 1),
        ("test_error", 0),
        ("test_names", 0),
    ]


def test_every_mutant_is_there_under_a_name_of_its_own() -> None:
    text, mutants = planted()
    tree = ast.parse(text)
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert len(set(names)) == len(names) == 4 + 6 + 2
    assert {name.rpartition(".")[2] for name in mutants} <= set(names)
    assert all(name.startswith("test") for name in names)


def test_a_mutant_differs_from_its_test_in_one_expression() -> None:
    text, _ = planted()
    assert "self.assertFalse(f(1))" in text
    assert text.count('match="x"') == 3  # the test, the mutant of this assertion, the mutant of its other one
    assert text.count("ValueError") == 2
    assert '== "text"), "message"' in text
    assert "not (test_names is not None)" in text
    rows = [line for line in text.splitlines() if "parametrize" in line]
    assert len(rows) == 2
    changed = next(line for line in rows if line not in SOURCE.decode())
    assert "(1, " in changed
    assert "(1, 2)" not in changed
    assert text.count("def test_") == 12


def test_tests_that_are_mentioned_elsewhere_keep_their_names() -> None:
    found = plant(SOURCE, (), random.Random(1))
    assert found is not None
    assert set(found.renamed.values()) == {"test_value", "test_rows", "test_error"}
    kept = plant(SOURCE, (), random.Random(1), rename=False)
    assert kept is not None
    assert kept.renamed == {}
    assert "def test_rows(" in kept.data.decode()


def test_another_run_has_other_names_and_constants() -> None:
    assert planted(1) != planted(2)


@pytest.mark.parametrize("data", [b"def f(:\n", "x = 'ä'".encode("latin-1"), b"\x00"])
def test_what_is_no_python_is_left_alone(data: bytes) -> None:
    assert plant(data, (), random.Random(1)) is None
    assert mutable("t.py", data) == []


@pytest.mark.parametrize(
    "expected",
    [
        "True",
        "3",
        "2.5",
        "'text'",
        "b'x'",
        "None",
        "[1, 'a']",
        "(1,)",
        "[]",
        "()",
        "{}",
        "{'a': 1}",
        "''",
        "g(2)",
        "[[]]",
    ],
)
def test_the_other_value_is_never_equal(expected: str) -> None:
    source = f"def test_a():\n    assert f() == {expected}\n".encode()
    for seed in range(20):
        found = plant(source, mutable("t.py", source), random.Random(seed))
        assert found is not None
        space: dict[str, object] = {"g": lambda n: n}
        exec(f"def f():\n    return {expected}", space)
        exec(found.data, space)
        (mutant,) = found.mutants
        with pytest.raises(AssertionError):
            space[mutant]()  # type: ignore[operator]
        real = next(iter(found.renamed))
        space[real]()  # type: ignore[operator]


def test_a_parameter_that_the_candidate_is_given_is_not_changed() -> None:
    """Then what comes back would be changed, too, and the mutant would pass on an honest change."""
    source = b"@pytest.mark.parametrize('text, n', [('a', 1)])\ndef test_a(text, n):\n    assert f(text) == text\n"
    found = plant(source, mutable("t.py", source), random.Random(1))
    assert found is not None
    assert found.data.count(b"[('a', 1)]") == 2
    assert b"== [text]" in found.data


@pytest.mark.parametrize(
    ("expected", "never"),
    [
        ("ArithmeticError", {"ZeroDivisionError", "FloatingPointError"}),
        ("BufferError", {"BufferError"}),
        ("(KeyError, ArithmeticError)", {"ZeroDivisionError", "FloatingPointError"}),
        ("mine.OwnError", set()),
    ],
)
def test_a_mutant_never_expects_a_kind_of_what_is_expected(expected: str, never: set[str]) -> None:
    """Then it would pass on an honest change, which may raise that kind."""
    source = f"def test_a():\n    with pytest.raises({expected}):\n        f()\n".encode()
    drawn = set()
    for seed in range(60):
        found = plant(source, mutable("t.py", source), random.Random(seed))
        assert found is not None
        tree = ast.parse(found.data)
        (mutant,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in found.mutants)
        drawn.add(ast.unparse(mutant).partition("raises(")[2].partition("):")[0])
    rare = {"ZeroDivisionError", "BufferError", "StopAsyncIteration", "FloatingPointError"}
    assert drawn == rare - never


def test_a_test_that_expects_any_exception_has_no_mutant() -> None:
    source = b"def test_a():\n    with pytest.raises(Exception):\n        f()\n"
    assert mutable("t.py", source) == []
    old = plant(source, [Mutant("t.py", "test_a", 0)], random.Random(1))
    assert old is not None
    assert old.mutants == {}

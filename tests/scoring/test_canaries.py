"""Planted tests look like their neighbours, fail where the originals pass, and leave the originals as they are."""

import ast
import random
import re
import unittest
from typing import Any

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
        "1e16",
        "-1e16",
        "1e308",
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


HONEST = b"""
import decimal, unittest

class TestA(unittest.TestCase):
    def test_equal(self):
        self.assertEqual(sum([4, 5]), 9)
    def test_as_a_set(self):
        self.assertCountEqual([sum([4, 5])], [9])
    def test_seven_digits(self):
        self.assertAlmostEqual(sum([0.1, 0.2]), 0.3)
    def test_at_least(self):
        self.assertGreaterEqual(sum([4, 5]), 5)
    def test_about(self):
        self.assertAlmostEqual(sum([4, 5]), 8.8, delta=5)
    def test_about_by_places(self):
        self.assertAlmostEqual(sum([4, 5]), 8.8, -1)
    def test_a_kind_of_zero_division(self):
        with self.assertRaises(decimal.DivisionByZero):
            decimal.Decimal(1) / 0
    def test_anything(self):
        with self.assertRaises(Exception):
            1 / 0
    def test_arithmetic(self):
        with self.assertRaises((KeyError, ArithmeticError)):
            1 / 0
    def test_of_its_own(self):
        with self.assertRaises(BufferError):
            raise BufferError
"""


def test_no_honest_change_passes_a_mutant_whatever_is_drawn_for_it() -> None:
    """Else honest answers would be taken for tampering, at each drawing with some chance."""
    mutants = mutable("t.py", HONEST)
    left_out = {"test_at_least", "test_about", "test_about_by_places"}
    made = {f"TestA.{name}" for name in re.findall(r"def (test_\w+)", HONEST.decode()) if name not in left_out}
    assert {mutant.test for mutant in mutants} == made
    for seed in range(40):
        found = plant(HONEST, mutants, random.Random(seed))
        assert found is not None
        space: dict[str, Any] = {}
        exec(found.data, space)
        assert len(found.mutants) == len(made)
        for name in found.mutants:
            seen = unittest.TestResult()
            space["TestA"](name.partition(".")[2]).run(seen)
            assert not seen.wasSuccessful(), found.mutants[name]


def test_what_an_older_version_turned_around_and_this_one_does_not_is_left_out() -> None:
    source = b"class TestA:\n    def test_a(self):\n        self.assertGreaterEqual(f(), 5)\n"
    old = plant(source, [Mutant("t.py", "TestA.test_a", 0)], random.Random(1))
    assert old is not None
    assert old.mutants == {}

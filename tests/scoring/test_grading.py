"""Tests decide, and no change makes them say what it wants."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from golddiff import patch
from golddiff.errors import InputError, SandboxError
from golddiff.sandbox.bubblewrap import open_sandbox
from golddiff.sandbox.contract import Job, Limits
from golddiff.sandbox.fake import FakeSandbox
from golddiff.scoring.executed import Kind, Unscored
from golddiff.scoring.grading import Grade, Grader
from golddiff.scoring.suite import Suite
from tampering import EXPECTED, LABEL, PRICE, TAMPERED, WRONG

BASE = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "def total(prices):\n    return 0\n\n\ndef label(name):\n    return name.title()\n",
    "tests/test_price.py": (
        "from shop.price import label\n\n\ndef test_label_is_a_title():\n    assert label('red hat') == 'Red Hat'\n"
    ),
    "tests/test_shop.py": "import shop\n\n\ndef test_shop_has_a_name():\n    assert shop.__name__ == 'shop'\n",
    "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n",
}
TESTS = """\
import unittest

import pytest

from shop.price import label, total


def test_label_is_a_title():
    assert label('red hat') == 'Red Hat'


@pytest.mark.parametrize(("prices", "wanted"), [([1, 2], 3), ([], 0), ([5], 5)])
def test_total_adds(prices, wanted):
    assert total(prices) == wanted


def test_total_of_many():
    assert total(range(10)) == 45


class TestTotal(unittest.TestCase):
    def test_total_is_checked(self):
        self.assertEqual(total([4, 4]), 8)

    def test_total_refuses_text(self):
        with self.assertRaises(TypeError):
            total("ab")
"""
GOLD = {PRICE: "def total(prices):\n    return sum(prices)\n" + LABEL}
HONEST: dict[str, Mapping[str, str | None]] = {
    "another way": {
        PRICE: "def total(prices):\n    s = 0\n    for p in prices:\n        s += p\n    return s\n" + LABEL
    },
    "with tests of its own": GOLD | {"tests/test_more.py": "def test_more():\n    assert True\n"},
    "with a broken test of its own": GOLD | {"tests/test_price.py": "def test_x():\n    assert False\n"},
    "that prints": {PRICE: "import os\nprint('x' * 9999)\nos.system('echo hi')\n" + GOLD[PRICE]},
    "split over a new module": {
        "src/shop/sums.py": "def total(prices):\n    return sum(prices)\n",
        PRICE: "from shop.sums import total\n" + LABEL,
    },
}


def build(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


@pytest.fixture(scope="module")
def grader() -> Grader:
    try:
        return Grader(open_sandbox(workers=2), seed=5)
    except SandboxError as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="module")
def suite(grader: Grader, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    tree = build(tmp_path_factory.mktemp("tree"), BASE)
    raw = Suite(tree=tree, expected=EXPECTED, protected={"tests/test_price.py": TESTS.encode()})
    raw = msgspec.structs.replace(raw, limits=msgspec.structs.replace(raw.limits, wall_sec=20.0, cpu_sec=2))
    (confirmed,) = grader.confirm([(raw, GOLD)])
    assert isinstance(confirmed, Suite), confirmed
    return confirmed


def kinds(grader: Grader, suite: Suite, candidates: Mapping[str, Mapping[str, str | None]]) -> dict[str, str]:
    grades = grader.grade([(suite, candidate) for candidate in candidates.values()])
    return {
        name: f"{grade.kind}: {grade.detail}" if isinstance(grade, Grade) else grade.reason
        for name, grade in zip(candidates, grades, strict=True)
    }


def test_no_tampering_passes(grader: Grader, suite: Suite) -> None:
    """Nor does any make itself unscored: then it would count for nothing instead of as a failure."""
    assert len(TAMPERED) >= 25
    grades = grader.grade([(suite, candidate) for candidate in TAMPERED.values()])
    not_refused = {
        name: grade
        for name, grade in zip(TAMPERED, grades, strict=True)
        if isinstance(grade, Unscored) or grade.kind is Kind.PASSED
    }
    assert not_refused == {}


def test_honest_changes_pass(grader: Grader, suite: Suite) -> None:
    assert set(kinds(grader, suite, HONEST).values()) == {"passed: "}


def test_a_wrong_change_fails_with_the_reason_by_test(grader: Grader, suite: Suite) -> None:
    (grade,) = grader.grade([(suite, {PRICE: WRONG})])
    assert isinstance(grade, Grade)
    assert grade.kind is Kind.FAILED
    assert grade.tests[EXPECTED[0]] == "passed"
    assert {grade.tests[identity] for identity in EXPECTED[1:7]} == {"failed"}
    assert "6 of 8 expected tests" in grade.detail


def test_a_patch_is_graded_like_its_files(grader: Grader, suite: Suite) -> None:
    diff = patch.render(PRICE, BASE[PRICE], GOLD[PRICE])
    outside = patch.render("../evil.py", None, "x\n")
    grades = grader.grade([(suite, diff), (suite, ""), (suite, outside), (suite, "no patch")])
    assert [grade.kind for grade in grades if isinstance(grade, Grade)] == [
        Kind.PASSED,
        Kind.FAILED,
        Kind.REFUSED,
        Kind.REFUSED,
    ]


def test_a_suite_that_decides_nothing_is_unscored(grader: Grader, suite: Suite) -> None:
    lax = msgspec.structs.replace(suite, expected=(EXPECTED[0], EXPECTED[7]))
    gone = msgspec.structs.replace(suite, expected=("tests/test_price.py::test_absent",))
    reasons = [found.reason for found in grader.confirm([(lax, GOLD), (gone, GOLD)]) if isinstance(found, Unscored)]
    assert "unchanged tree passes" in reasons[0]
    assert "does not pass" in reasons[1]


def test_a_flaky_suite_is_quarantined(suite: Suite) -> None:
    """Here the accepted change passes the second of three runs."""
    ends = iter(["failed", "passed", "failed", "failed"])

    def answer(job: Job) -> str:
        outcomes = dict.fromkeys(suite.expected, next(ends))
        return json.dumps({"outcomes": outcomes, "details": {}, "collection": {}, "exit": 0})

    (found,) = Grader(FakeSandbox(answer)).confirm([(suite, GOLD)])
    assert isinstance(found, Unscored)
    assert found.reason.startswith("flaky")


def test_every_test_of_its_files_is_reported_where_nothing_is_judged(grader: Grader, suite: Suite) -> None:
    found = grader.outcomes(suite, {})
    assert isinstance(found, dict)
    assert set(found) == set(EXPECTED)
    assert sorted(set(found.values())) == ["failed", "passed"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"packages": (Path("/nowhere/site-packages"),)}, "does not exist"),
        ({"packages": (Path(__file__).parent,)}, "No module named 'pytest'"),
        ({"plugins": ("no_such_plugin",)}, "no_such_plugin"),
        ({"limits": Limits(disk_bytes=1 << 12)}, "No space left"),
    ],
)
def test_what_is_ours_to_answer_for_is_no_score(
    grader: Grader, suite: Suite, changed: dict[str, object], reason: str
) -> None:
    (found,) = grader.grade([(msgspec.structs.replace(suite, **changed), GOLD)])
    assert isinstance(found, Unscored)
    assert reason in found.reason


def test_a_tree_with_history_is_refused(grader: Grader, suite: Suite, tmp_path: Path) -> None:
    build(tmp_path, BASE | {".git/packed-refs": ""})
    with pytest.raises(InputError, match="later commits"):
        grader.grade([(msgspec.structs.replace(suite, tree=tmp_path), GOLD)])


def test_links_of_the_tree_lead_nowhere(grader: Grader, suite: Suite, tmp_path: Path) -> None:
    """A secret of the host is neither copied, nor read by a patch, nor visible to the tests."""
    secret = tmp_path / "secret.py"
    secret.write_text("token = 'host'\n")
    tree = build(tmp_path / "tree", BASE)
    (tree / "src/shop/link.py").symlink_to(secret)
    os.mkfifo(tree / "pipe")
    linked = msgspec.structs.replace(suite, tree=tree)
    reads = {PRICE: "from shop.link import token\n" + GOLD[PRICE]}
    through = patch.render("src/shop/link.py", "token = 'host'\n", "token = 'mine'\n")
    plain, reading, writing, over = grader.grade(
        [(linked, GOLD), (linked, reads), (linked, through), (linked, GOLD | {"src/shop/link.py": "x = 1\n"})]
    )
    kinds = [grade.kind for grade in (plain, reading, writing, over) if isinstance(grade, Grade)]
    assert kinds == [Kind.PASSED, Kind.FAILED, Kind.REFUSED, Kind.REFUSED]
    assert secret.read_text() == "token = 'host'\n"


def test_candidates_of_one_suite_do_not_meet(grader: Grader, suite: Suite) -> None:
    leaves = {PRICE: GOLD[PRICE] + "\n\nopen('/work/left', 'w').write('x')\n"}
    looks = {PRICE: GOLD[PRICE] + "\n\nimport os\nassert not os.path.exists('/work/left')\n"}
    writes = {PRICE: GOLD[PRICE] + "\n\nopen('/tree/left', 'w')\n"}
    kinds = [grade.kind for grade in grader.grade([(suite, leaves), (suite, looks), (suite, writes)])]
    assert kinds == [Kind.PASSED, Kind.PASSED, Kind.FAILED]


def test_what_comes_back_is_believed_only_in_its_right_shape(suite: Suite) -> None:
    said = iter(["[]", "{}", '{"outcomes": {"a": 1}, "details": {}, "collection": {}}', "[" * 100_000])
    fake = Grader(FakeSandbox(lambda job: next(said)))
    grades = fake.grade([(suite, GOLD)] * 4)
    assert {grade.kind for grade in grades if isinstance(grade, Grade)} == {Kind.NOT_JSON}
    assert fake.describe() == "pytest with canaries in fake"


def test_later_commits_cannot_be_found_from_inside(grader: Grader, suite: Suite, tmp_path: Path) -> None:
    """The accepted change lies right beside the tree; code that looks for it finds nothing."""
    build(tmp_path / "tree", BASE)
    build(tmp_path / "later", GOLD | {"objects/pack": "sum(prices)"})
    looks = (
        "import os\nfound = ''\nfor top, folders, names in os.walk('/'):\n"
        "    if top == '/': folders[:] = set(folders) - {'proc', 'dev', 'usr', 'python', 'site'}\n"
        "    for name in names:\n"
        "        try: text = open(os.path.join(top, name)).read()\n        except (OSError, ValueError): continue\n"
        "        if 'return ' + 'sum(prices)' in text: found = text\n"
        "exec(found or 'def total(prices): return 0')\n"
    )
    (grade,) = grader.grade([(msgspec.structs.replace(suite, tree=tmp_path / "tree"), {PRICE: looks + LABEL})])
    assert isinstance(grade, Grade)
    assert grade.kind is Kind.FAILED

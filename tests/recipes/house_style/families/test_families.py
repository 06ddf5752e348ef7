"""Every family makes the right edit, and its careless slip fails the check that it should fail."""

import pytest
from tests.recipes.house_style.one_site import edited, found_in

from golddiff.recipes.house_style.families import IN_WORKFLOW, OFF_WORKFLOW
from golddiff.recipes.house_style.harness.style import OLD

IMPORT = "from typing import *\nfrom typing import Optional, Union, List, Dict, Tuple, Callable\n"

RIGHT = [
    ('x = "a %s" % b', 'x = f"a {b}"'),
    ("x = 'a %r' % (b,)", "x = f'a {b!r}'"),
    ('x = "%d of %5.2f" % (n, m.p)', 'x = f"{n:d} of {m.p:5.2f}"'),
    ('x = "%-10s|%10s|%.3s" % (a, b, c)', 'x = f"{a!s:<10}|{b!s:>10}|{c!s:.3}"'),
    ('x = "%05d %+d %#x" % (a, b, c)', 'x = f"{a:05d} {b:+d} {c:#x}"'),
    ('x = "100%% of {%s}" % a', 'x = f"100% of {{{a}}}"'),
    ('x = "%(a)s-%(b)r" % {"a": p, "b": q}', 'x = f"{p}-{q!r}"'),
    ("raise ValueError('no %s' % d['k'])", "raise ValueError(f'no {d[\"k\"]}')"),
    ('x = "{} {!r} {:>5}".format(a, b, c)', 'x = f"{a} {b!r} {c:>5}"'),
    ('x = "{0} {1} {0}".format(a, b.c)', 'x = f"{a} {b.c} {a}"'),
    ('x = "{n.name}: {v}".format(n=node, v=1)', 'x = f"{node.name}: {1}"'),
    ('x = "{}".format({1: 2})', 'x = f"{ {1: 2}}"'),
    ("s = set([a, b])", "s = {a, b}"),
    ("s = set(x for x in y)", "s = {x for x in y}"),
    ("s = set([x for x in y if x])", "s = {x for x in y if x}"),
    ("d = dict(a=1, b=f(2))", 'd = {"a": 1, "b": f(2)}'),
    ("d = dict([(k, v) for k, v in p])", "d = {k: v for k, v in p}"),
    ("d = dict()", "d = {}"),
    ("t = tuple([a])", "t = (a,)"),
    ("t = list((a, b))", "t = [a, b]"),
    ("if isinstance(x, (int, str)):\n    pass", "if isinstance(x, int | str):"),
    ("y = isinstance(self.x, (Node, ast.Leaf))", "y = isinstance(self.x, Node | ast.Leaf)"),
    ("if k in d.keys():\n    pass", "if k in d:"),
    ("for k in self.d.keys():\n    pass", "for k in self.d:"),
    ("if not x in y:\n    pass", "if x not in y:"),
    ("y = d.get('a', None)", "y = d.get('a')"),
    ("if type(x) == dict:\n    pass", "if isinstance(x, dict):"),
    ("if type(x) is not Foo:\n    pass", "if not isinstance(x, Foo):"),
    ("y = sorted(list(x))", "y = sorted(x)"),
]


@pytest.mark.parametrize(("before", "after"), RIGHT)
def test_the_right_edit_is_made_and_passes_its_own_check(before: str, after: str) -> None:
    assert edited(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x: Optional[int] = None", "x: int | None = None"),
        ("x: Optional[List[Union[A, B]]]", "x: list[A | B] | None"),
        ("def f(a: Dict[str, Tuple[int, ...]], *b: List[A]) -> Optional[A]:\n    pass",
         "def f(a: dict[str, tuple[int, ...]], *b: list[A]) -> A | None:"),
        ("def f(a: Callable[[Optional[int]], List] = None):\n    pass",
         "def f(a: Callable[[int | None], list] = None):"),
    ],
)  # fmt: skip
def test_annotations_resolve_to_the_same_types(before: str, after: str) -> None:
    assert [site.after for site in found_in(f"{IMPORT}{before}\n").sites] == [after]


def test_super_is_edited_only_for_the_methods_own_class_and_instance() -> None:
    found = found_in(
        "class C(B):\n    def f(self, x):\n        return super(C, self).f(x)\n"
        "    def g(self):\n        super(B, self).g()\n"
        "    @classmethod\n    def h(cls):\n        return super(C, cls).h()\n"
    )
    assert [site.after.strip() for site in found.sites] == ["return super().f(x)", "return super().h()"]
    assert found.dropped["super", "not the method's own class and instance"] == 1


@pytest.mark.parametrize(
    "before",
    [
        'x = "%s %s" % pair',
        'x = "%c" % a',
        'x = "%*d" % (w, n)',
        'x = b"%s" % a',
        "x = 'a %s' % b(\"'\")",
        'x = "a" "b %s" % c',
        'x = "{}".format(*a)',
        "s = set([])",
        "y = isinstance(x, (int, string_types))",
        "y = isinstance(f(x), (int, str))",
        "d = dict(**kw)",
        'x: Optional["Node"] = None',
    ],
)
def test_sites_that_are_not_clear_cut_are_left_alone(before: str) -> None:
    assert edited(before) is None


@pytest.mark.parametrize(
    ("before", "slip"),
    [
        ('x = "%r is %d" % (a, b)', 'x = f"{a} is {b}"'),
        ('x = "{!r}".format(a)', 'x = f"{a}"'),
        ('x = "{}{}{}".format(a, b, c)', 'x = f"{}{}{}".format(a, b, c)'),
        ('x = "5%% %s" % a', 'x = f"5%% {a}"'),
        ("d = dict(a=1)", "d = {a: 1}"),
        ("s = set([a, b])", "s = [a, b]"),
        ("y = isinstance(x, (int, str, A1b))", "y = isinstance(x, int or str or A1b)"),
        ("for k in d.keys():\n    pass", "for k in d.keys:"),
    ],
)
def test_a_careless_attempt_fails_the_check(before: str, slip: str) -> None:
    site = found_in(before + "\n").sites[0]
    assert site.slip == slip
    assert site.slip_fails


def test_optional_taken_for_decoration_fails_the_check() -> None:
    site = found_in(f"{IMPORT}def f(a: Optional[int]) -> Optional[List[int]]:\n    pass\n").sites[0]
    assert site.slip == "def f(a: int | None) -> list[int]:"
    assert site.slip_fails


def test_a_slip_that_does_no_harm_is_known_as_such() -> None:
    site = found_in('x = "a %s" % b\n').sites[0]
    assert site.slip == site.after
    assert not site.slip_fails


def test_every_family_has_a_style_rule_and_off_workflow_names_are_marked() -> None:
    assert {family.name for family in IN_WORKFLOW + OFF_WORKFLOW} == set(OLD)
    assert all(family.name.startswith("off: ") for family in OFF_WORKFLOW)

"""The plan holds whole files out, caps sites of one shape, and is the same for the same seed."""

from collections import Counter

from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.plan import make_plan, skeleton
from golddiff.recipes.house_style.sites import Site

CONFIG = DemoConfig(
    train_rows={"f-strings": 30, "keys": 10}, test_rows={"f-strings": 8, "keys": 2}, rejected_sessions=1
)


def made_sites() -> list[Site]:
    """Return sites of many shapes in many files."""
    sites = []
    for file in range(30):
        for place in range(4):
            marks = "!" * file + "?" * place
            family, path = ("keys" if place == 3 else "f-strings"), f"a/f{file}.py"
            sites.append(Site(family, path, 10 * place + 1, f'x = "{marks}"', f'y = "{marks}"', None, False, {}))
    return sites


def test_no_file_is_trained_on_and_held_out() -> None:
    plan = make_plan(made_sites(), CONFIG)
    train, test = ({site.path for site in plan.sites(held_out=side)} for side in (False, True))
    assert train
    assert test
    assert not train & test


def test_sessions_on_held_out_files_come_last() -> None:
    sides = [session.held_out for session in make_plan(made_sites(), CONFIG).sessions]
    assert sides == sorted(sides)


def test_a_session_has_one_family_and_no_adjoining_lines() -> None:
    for session in make_plan(made_sites(), CONFIG).sessions:
        assert {site.family for site in session.sites} == {session.family}
        lines = Counter((site.path, site.first_line) for site in session.sites)
        assert all(lines[path, line + 1] == 0 for path, line in lines)


def test_the_seed_alone_decides() -> None:
    sites = made_sites()
    assert make_plan(sites, CONFIG) == make_plan(list(reversed(sites)), CONFIG)
    other = DemoConfig(seed=1, train_rows=CONFIG.train_rows, test_rows=CONFIG.test_rows)
    assert make_plan(sites, CONFIG).sites(held_out=True) != make_plan(sites, other).sites(held_out=True)


def test_sites_of_one_shape_are_capped() -> None:
    same = [Site("keys", f"a/f{n}.py", 1, f"for k{n} in d{n}.keys():", "", None, False, {}) for n in range(40)]
    chosen = make_plan(same, CONFIG).sites(held_out=False)
    assert len(chosen) == CONFIG.same_shape


def test_a_shape_is_what_is_left_without_names_and_words() -> None:
    assert skeleton('x.a = "%s is" % b') == skeleton('    y.c = "%s was" % d')
    assert skeleton('x = "%s" % b') != skeleton('x = "{}" % b')
    assert skeleton("x: Optional[A]") != skeleton("x: List[A]")

"""Sites are distinct, come with executed checks, and everything left out is counted."""

from tests.recipes.house_style.one_site import found_in

from golddiff.recipes.house_style.families import IN_WORKFLOW
from golddiff.recipes.house_style.sites import find_sites
from golddiff.recipes.house_style.sources import SourceFile, licences, read_sources


def test_the_same_statement_is_used_once() -> None:
    found = found_in('x = "a %s" % b\nif y:\n    x = "a %s" % b\n')
    assert len(found.sites) == 1
    assert found.dropped["f-strings", "same text elsewhere"] == 1


def test_statements_that_share_or_leave_their_line_are_no_sites() -> None:
    assert not found_in('x = 1; y = "a %s" % b\nz = ("a %s" %\n     b)\nif x: y = "%s" % z\n').sites


def test_a_file_that_does_not_parse_is_passed_over() -> None:
    broken = SourceFile("example", "example/b.py", 'x = "%s" % (', "MIT")
    assert find_sites([broken], IN_WORKFLOW).sites == []


def test_an_edit_keeps_indentation_and_comment() -> None:
    site = found_in('def f():\n    return "a %s" % b  # why\n').sites[0]
    assert (site.first_line, site.after) == (2, '    return f"a {b}"  # why')


def test_the_licence_of_a_distribution_comes_from_its_own_files() -> None:
    found = {one.distribution: one for one in licences(("python", "pytest", "pathspec", "no-such-distribution"))}
    assert found["pytest"].spdx == "MIT"
    assert found["pytest"].permitted
    assert found["python"].permitted
    assert not found["pathspec"].permitted
    assert len(found) == 3


def test_files_of_a_licence_that_is_not_permissive_are_not_read() -> None:
    assert list(read_sources(licences(("pathspec",)))) == []


def test_real_code_has_sites_of_several_families() -> None:
    files = [
        file for file in read_sources(licences(("python",))) if "/distutils/" in file.path or "/json/" in file.path
    ]
    files += list(read_sources(licences(("typer", "tabulate"))))
    found = find_sites(files, IN_WORKFLOW)
    assert len({site.family for site in found.sites}) >= 2
    assert all(site.before != site.after for site in found.sites)

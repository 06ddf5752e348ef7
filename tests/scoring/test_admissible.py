"""A change is refused for its text alone, with the reason, before anything is read or written."""

import contextlib
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golddiff import patch
from golddiff.patch import PatchError
from golddiff.scoring.admissible import Inadmissible, configures_tests, files_after, path_refusal, refusal

TREE = {"src/a.py": "one\ntwo\nthree\n", "src/b.py": "x\n", "docs/ä.md": "hello\n"}


def after(text: str, **options: tuple[str, ...]) -> dict[str, str | None]:
    return files_after(text, TREE.get, **options)


REFUSED = {
    "../x.py": "below the tree",
    "/etc/passwd": "below the tree",
    "a/../../x": "below the tree",
    "a//b": "below the tree",
    "./a": "below the tree",
    "C:/x": "below the tree",
    "a\\b": "below the tree",
    "": "empty",
    "a" * 300: "too long",
    "a\nb": "control",
    "a\x00b": "control",
    ".git/config": "git itself",
    "sub/.GIT/hooks/pre-commit": "git itself",
    ".git./config": "git itself",
    ".g\u200cit/config": "git itself",
    "GIT~1/config": "git itself",
    ".git::$INDEX_ALLOCATION/x": "git itself",
    ".gitmodules": "git itself",
    ".husky/pre-commit": "hook",
    ".githooks/x": "hook",
    ".pre-commit-config.yaml": "hook",
    ".github/workflows/ci.yml": "workflow",
    "conftest.py": "how tests run",
    "tests/conftest.py": "how tests run",
    "pytest.ini": "how tests run",
    "PyProject.toml": "how tests run",
    "setup.cfg": "how tests run",
    "src/sitecustomize.py": "how tests run",
    "src/x.pth": "how tests run",
    "src/x.egg-info/entry_points.txt": "how tests run",
}


@pytest.mark.parametrize("path", REFUSED)
def test_no_change_may_name_these_paths(path: str) -> None:
    assert REFUSED[path] in (refusal({path: "x"}) or "")


@pytest.mark.parametrize(
    "path", ["src/a.py", ".gitignore", "git/x.py", "tests/test_a.py", "a b/c.py", "docs/ä.md", "..a"]
)
def test_ordinary_paths_are_fine(path: str) -> None:
    assert refusal({path: "x"}) is None


def test_test_configuration_may_change_where_the_accepted_change_changes_it() -> None:
    assert refusal({"pyproject.toml": "x"}, allowed={"pyproject.toml"}) is None
    assert "pytest.ini" in str(refusal({"pyproject.toml": "x", "pytest.ini": "y"}, allowed={"pyproject.toml"}))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({f"f{number}.py": "" for number in range(201)}, "201 files"),
        ({"a.py": "x" * 2_000_001}, "2,000,001 characters"),
        ({f"f{number}.py": "x" * 1_900_000 for number in range(5)}, "9,500,000 characters"),
        ({"a": "x", "a/b": "y"}, "a file and a folder"),
    ],
)
def test_size_and_shape_are_bounded(files: dict[str, str | None], reason: str) -> None:
    assert reason in (refusal(files) or "")


GIT = "diff --git a/{path} b/{path}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GIT.format(path="l") + "new file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n", "link"),
        (GIT.format(path="src/a.py") + "old mode 100644\nnew mode 120000\n", "link"),
        (
            GIT.format(path="m") + "new file mode 160000\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+Subproject\n",
            "submodule",
        ),
        (GIT.format(path="m") + "index 1234567..89abcde 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-a\n+b\n", "submodule"),
        (GIT.format(path="d") + "new file mode 060644\n", "mode 060644"),
        (GIT.format(path="b") + "new file mode 100644\nGIT binary patch\nliteral 1\n", "binary"),
        ("diff --git a/src/a.py b/c.py\ncopy from src/a.py\ncopy to c.py\n", "copies"),
        ("--- a/src/a.py\n+++ b/../evil.py\n@@ -1 +1 @@\n-one\n+two\n", "below the tree"),
        ('--- /dev/null\n+++ "b/\\056\\056/evil.py"\n@@ -0,0 +1 @@\n+x\n', "below the tree"),
        ('--- /dev/null\n+++ "b/.gi\\164/hooks/pre-commit"\n@@ -0,0 +1 @@\n+x\n', "git itself"),
        ("diff --git a/src/a.py b/.git/config\nrename from src/a.py\nrename to .git/config\n", "git itself"),
        ("--- /dev/null\n+++ b/tests/conftest.py\n@@ -0,0 +1 @@\n+x\n", "how tests run"),
        ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", "no name"),
        ("hello", "no patch"),
        ("x" * 8_000_001, "8,000,001"),
    ],
)
def test_these_patches_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Inadmissible, match=reason):
        after(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--- a/gone.py\n+++ b/gone.py\n@@ -1 +1 @@\n-a\n+b\n", "not in the tree"),
        ("--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-absent\n+b\n", "not in the file"),
        ("--- /dev/null\n+++ b/src/a.py\n@@ -0,0 +1 @@\n+x\n", "already there"),
        ("--- a/src/a.py\n+++ b/src/a.py\n@@ -1,9 +1,9 @@\n-a\n+b\n", "cut short"),
    ],
)
def test_a_patch_that_does_not_fit_says_why(text: str, said: str) -> None:
    with pytest.raises(PatchError, match=said):
        after(text)


def test_a_path_outside_is_not_even_read() -> None:
    def read(path: str) -> str | None:
        raise AssertionError(path)

    with pytest.raises(Inadmissible):
        files_after("--- a/../secret\n+++ b/../secret\n@@ -1 +1 @@\n-a\n+b\n", read)


def test_changed_created_deleted_renamed_and_empty_files_are_returned() -> None:
    text = (
        patch.render("src/a.py", TREE["src/a.py"], "one\n2\nthree\n")
        + patch.render("new.py", None, "n\n")
        + patch.render("docs/ä.md", "hello\n", None)
        + "diff --git a/src/b.py b/src/c.py\nsimilarity index 100%\nrename from src/b.py\nrename to src/c.py\n"
        + "diff --git a/src/empty.py b/src/empty.py\nnew file mode 100644\nindex 0000000..e69de29\n"
    )
    assert after(text) == {
        "src/a.py": "one\n2\nthree\n",
        "new.py": "n\n",
        "docs/ä.md": None,
        "src/b.py": None,
        "src/c.py": "x\n",
        "src/empty.py": "",
    }


def test_octal_escapes_are_bytes_of_utf_8() -> None:
    assert after('--- "a/docs/\\303\\244.md"\n+++ "b/docs/\\303\\244.md"\n@@ -1 +1 @@\n-hello\n+bye\n') == {
        "docs/ä.md": "bye\n"
    }


PART = st.text(st.sampled_from("ab.~:/\\GgIiTt \u200c\n0"), max_size=8)


@given(st.lists(PART, min_size=1, max_size=5).map("/".join))
def test_what_is_let_through_stays_below_the_tree_and_out_of_git(path: str) -> None:
    if path_refusal(path) is None:
        parts = PurePosixPath(path).parts
        assert "/".join(parts) == path
        assert not {"..", ".", "/", ""} & set(parts)
        assert not any(
            part.replace("\u200c", "").casefold().rstrip(". ").split(":")[0] in (".git", "git~1") for part in parts
        )


@given(st.text(max_size=200) | st.text(st.sampled_from('+-@ ,1ab/.\n"\\'), max_size=200))
def test_hostile_text_is_an_answer_or_a_reason(text: str) -> None:
    for given_text in (
        text,
        "--- a/src/a.py\n+++ b/src/a.py\n" + text,
        f"--- a/{text}\n+++ b/{text}\n@@ -1 +1 @@\n-one\n+x\n",
    ):
        files: dict[str, str | None] = {}
        with contextlib.suppress(PatchError):
            files = after(given_text)
        assert all(path_refusal(path) is None and not configures_tests(path) for path in files)


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=12).map("".join)


@given(TEXTS, TEXTS)
def test_a_rendered_patch_gives_the_text_it_was_rendered_from(before: str, wanted: str) -> None:
    if before != wanted:
        text = patch.render("x.py", before, wanted)
        assert files_after(text, {"x.py": before}.get) == {"x.py": wanted}

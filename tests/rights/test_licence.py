"""Licences are recognised by their words, and a rider makes a licence another one."""

from __future__ import annotations

from importlib import resources

import pytest

from golddiff.rights.licence import PERMISSIVE, detect, is_licence_file, permits_training, recognise


def text_of(spdx: str) -> str:
    file = resources.files("golddiff.rights").joinpath("licences", f"{spdx}.txt")
    return file.read_text("utf-8").replace("%% optional\n", "")


TEMPLATES = sorted(
    file.name.removesuffix(".txt") for file in resources.files("golddiff.rights").joinpath("licences").iterdir()
)


@pytest.mark.parametrize("spdx", TEMPLATES)
def test_every_text_is_recognised_with_title_holder_and_other_line_breaks(spdx: str) -> None:
    filled = f"{spdx} License\n\nCopyright (c) 2024-2026 Ada Example and contributors <ada@example.org>\n\n"
    filled += " ".join(text_of(spdx).split())
    assert recognise(filled) == spdx


@pytest.mark.parametrize("spdx", TEMPLATES)
@pytest.mark.parametrize(
    "rider",
    [
        "Additionally, the Software may not be used to train machine learning models.",
        "No rights are granted to any Restricted Party without express prior written permission.",
        "This permission is for noncommercial purposes.",
        "Commons Clause: the right to sell is not granted.",
    ],
)
def test_a_rider_makes_it_unrecognised(spdx: str, rider: str) -> None:
    assert recognise(text_of(spdx) + "\n" + rider) is None


@pytest.mark.parametrize("spdx", TEMPLATES)
def test_half_a_licence_is_not_recognised(spdx: str) -> None:
    text = text_of(spdx)
    assert recognise(text[: len(text) // 2]) is None


def test_copyleft_is_named_by_its_family_and_denied() -> None:
    assert recognise("GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n") == "GPL"
    assert recognise("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1") == "LGPL"
    assert recognise("Mozilla Public License Version 2.0") == "MPL"
    assert not permits_training("GPL").permits


def test_a_choice_of_licence_files_is_a_choice_and_others_all_hold() -> None:
    both = {"LICENSE-MIT": text_of("MIT"), "LICENSE-APACHE": text_of("Apache-2.0")}
    assert detect(both).spdx == "Apache-2.0 OR MIT"
    assert detect({"LICENSE": text_of("MIT"), "COPYING": text_of("ISC")}).spdx == "ISC AND MIT"
    assert detect({"LICENSE": text_of("MIT"), "COPYING": "All rights reserved to us."}).spdx is None
    offer = "This software is made available under either of the licenses in LICENSE-APACHE or LICENSE-MIT."
    assert detect({**both, "LICENSE": offer}).spdx == "Apache-2.0 OR MIT"
    assert detect({"README.md": "MIT"}).spdx is None
    assert detect({}).source is None


def test_a_second_file_for_parts_of_a_repository_does_not_outweigh_its_licence() -> None:
    copyleft = detect(
        {"LICENSE": "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3", "LICENSE_APACHE2": text_of("Apache-2.0")}
    )
    assert copyleft.spdx == "Apache-2.0 AND AGPL"
    assert not permits_training(copyleft.spdx).permits
    assert detect({"LICENSE": "All rights reserved to us.", "LICENSE-MIT": text_of("MIT")}).spdx is None


def test_only_licence_files_at_the_root_count() -> None:
    assert is_licence_file("LICENSE")
    assert is_licence_file("LICENCE.md")
    assert is_licence_file("COPYING.txt")
    assert is_licence_file("UNLICENSE")
    assert not is_licence_file("vendor/x/LICENSE")
    assert not is_licence_file("licenses_test.go/x")


@pytest.mark.parametrize(
    ("expression", "permits"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("(MIT AND BSD-3-Clause) OR GPL-2.0-only", True),
        ("AGPL-3.0-only", False),
        ("CC-BY-NC-4.0", False),
        ("LicenseRef-ours", False),
        ("NOASSERTION", False),
        ("", False),
        (None, False),
    ],
)
def test_expressions_are_judged_with_or_and_and(expression: str | None, permits: bool) -> None:
    reading = permits_training(expression)
    assert reading.permits is permits
    assert reading.reason


def test_every_permissive_licence_alone_permits() -> None:
    assert all(permits_training(spdx).permits for spdx in PERMISSIVE)

"""Which licence a repository is under, and whether that licence lets us train on its code.

Recognition compares the words of a licence file with the texts in `licences/`: hardly a word may be missing, and
hardly a word added beyond names and years. A known licence with a rider ("MIT, but not for training") is therefore
not recognised, and what is not recognised is denied. Who knows better states it: `golddiff rights grant licence`.

The gate is a table of permissive licences: their only conditions are notices, which a dataset keeps by naming
repository and licence in its card. Copyleft is denied not because training on it is known to be wrong but because
nobody has settled whether a model that repeats such code passes its conditions on. Not legal advice.

Not covered: licences of single files or folders, notices in source headers, patents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

_MAX_MISSING_SHARE = 0.03
"""Share of the licence's words that may be missing (an "and/or", a title)."""

_MAX_ADDED_WORDS = 30
"""Words beyond the licence's own: a title, names of holders, a contact line."""

_MAX_OFFER_WORDS = 60
"""Words of a file that says "either LICENSE.APACHE or LICENSE.BSD"; a longer one may set conditions of its own."""

_WEIGHTY_WORDS = frozenset({
    "ai", "artificial", "intelligence", "machine", "learning", "train", "training", "trained", "model",
    "models", "llm", "dataset", "datasets", "scraping", "commercial", "noncommercial", "however", "except",
    "unless", "additionally", "additional", "rider", "restriction", "restrictions", "restricted", "prohibited",
    "forbidden", "military", "ethical", "commons", "not", "without", "may", "must", "shall", "prior", "written",
})  # fmt: skip
"""Words that can change what a licence permits: not one of them may be added."""

_LICENCE_FILE = re.compile(r"(?i)^(un)?licen[cs]es?([-._].*)?$|^copying([-._].*)?$")

PERMISSIVE = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "BlueOak-1.0.0", "CC0-1.0", "HPND", "ISC",
    "MIT", "MIT-0", "MIT-CMU", "NCSA", "PSF-2.0", "PostgreSQL", "Python-2.0", "Unlicense", "Zlib",
})  # fmt: skip
"""SPDX ids whose conditions are notices only."""

_OTHERS = (
    ("AGPL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("LGPL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("GPL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("MPL", "file-level copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("EPL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("EUPL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("OSL", "copyleft: unsettled whether a model trained on it passes the conditions on"),
    ("CC-BY-NC", "not for commercial use"),
    ("CC-BY-SA", "share-alike: unsettled whether a model trained on it passes the conditions on"),
    ("SSPL", "not a free licence"),
    ("BUSL", "not a free licence"),
    ("LicenseRef", "a licence of its own: read it and record what it permits"),
)

_TITLES = (
    ("gnu affero general public license", "AGPL"),
    ("gnu lesser general public license", "LGPL"),
    ("gnu library general public license", "LGPL"),
    ("gnu general public license", "GPL"),
    ("mozilla public license", "MPL"),
    ("eclipse public license", "EPL"),
    ("european union public licence", "EUPL"),
    ("server side public license", "SSPL"),
    ("business source license", "BUSL"),
    ("attribution noncommercial", "CC-BY-NC"),
    ("attribution sharealike", "CC-BY-SA"),
)


@dataclass(frozen=True)
class Detected:
    """What a repository's licence files say."""

    spdx: str | None
    """SPDX id or expression; None where no text was recognised."""
    source: str | None
    """File or files it was read from."""


@dataclass(frozen=True)
class LicenceReading:
    """Whether a licence lets us train."""

    permits: bool
    reason: str


def is_licence_file(path: str) -> bool:
    """Whether `path` is a licence file at the root of a repository."""
    return "/" not in path and bool(_LICENCE_FILE.match(path))


def detect(files: Mapping[str, str]) -> Detected:
    """Recognise the licence from the texts of a repository's licence files, by path (others are ignored).

    Several files are alternatives where their names carry the licences (`LICENSE-MIT`, `LICENSE-APACHE`), as is the
    custom; any other file holds beside them, unless it only offers them. Without such names all of them hold.
    """
    texts = {path: text for path, text in sorted(files.items()) if is_licence_file(path)}
    if not texts:
        return Detected(None, None)
    found = {path: recognise(text) for path, text in texts.items()}
    source = ", ".join(texts)
    named = {
        path for path in texts if re.search(r"(?i)mit|apache|bsd|unlicense|zlib|isc", PurePosixPath(path).name[7:])
    }
    others_of = {path: spdx for path, spdx in found.items() if path not in named and not _offers(texts[path], named)}
    if None in {*others_of.values(), *(found[path] for path in named)}:
        return Detected(None, source)
    choices = sorted({found[path] or "" for path in named})
    others = sorted({spdx or "" for spdx in others_of.values()} - set(choices))
    if choices:  # what the other files say holds beside each choice
        return Detected(" OR ".join(" AND ".join([choice, *others]) for choice in choices), source)
    return Detected(" AND ".join(others), source)


def _offers(text: str, named: set[str]) -> bool:
    """Whether a short text only says that either of these licence files holds."""
    return len(text.split()) <= _MAX_OFFER_WORDS and "either" in text.lower() and all(path in text for path in named)


def recognise(text: str) -> str | None:
    """Return the SPDX id of one licence text (for copyleft: its family, such as `GPL`), or None."""
    words = _words(text)
    best = None
    fewest = 1 << 30
    for spdx, (required, optional) in _templates().items():
        missing = (required - words).total()
        added = words - required - optional
        if missing > _MAX_MISSING_SHARE * required.total() or added.total() > _MAX_ADDED_WORDS:
            continue
        if _WEIGHTY_WORDS & added.keys():
            continue
        if missing + added.total() < fewest:
            best, fewest = spdx, missing + added.total()
    if best is None:
        start = " ".join(re.findall(r"[a-z]+", text.lower())[:80])
        return next((family for title, family in _TITLES if title in start), None)
    return best


def permits_training(expression: str | None) -> LicenceReading:
    """Whether an SPDX expression lets us train: with OR one part must, with AND all must. Unknown is denied."""
    if not expression or expression in {"NONE", "NOASSERTION"}:
        return LicenceReading(False, "no licence was recognised, so all rights are reserved")
    parts = re.split(r"\s+OR\s+", expression.strip("() "))
    readings = [_all_permit(re.split(r"\s+AND\s+", part.strip("() "))) for part in parts]
    return next((reading for reading in readings if reading.permits), readings[0])


def _all_permit(ids: list[str]) -> LicenceReading:
    for spdx in ids:
        name = re.split(r"\s+WITH\s+", spdx.strip("() "))[0]  # exceptions only permit more
        if name not in PERMISSIVE:
            reason = next(
                (why for prefix, why in _OTHERS if name.startswith(prefix)), "not in the table of permissive licences"
            )
            return LicenceReading(False, f"{name}: {reason}")
    return LicenceReading(True, f"{' AND '.join(ids)}: permissive, notices kept in the dataset card")


def _words(text: str) -> Counter[str]:
    lines = []
    for line in text.lower().splitlines():
        bare = line.strip(" \t#*/-;.")
        if not re.match(r"copyright\b.*(\d{4}|\(c\)|©)|©|\(c\)\s*\d{4}|all rights reserved", bare):
            lines.append(bare)
    return Counter(re.findall(r"[a-z0-9]+", "\n".join(lines)))


@cache
def _templates() -> dict[str, tuple[Counter[str], Counter[str]]]:
    """SPDX id → required and optional words."""
    found = {}
    for file in resources.files("golddiff.rights").joinpath("licences").iterdir():
        if file.name.endswith(".txt"):
            required, _, optional = file.read_text("utf-8").partition("%% optional")
            found[file.name.removesuffix(".txt")] = (_words(required), _words(optional))
    return found

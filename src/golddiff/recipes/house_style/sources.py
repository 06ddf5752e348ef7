"""Which real files the simulated team works on, and under which licence they stand.

How it fits: the standard library of the running interpreter and the packages that golddiff's own environment pins.
The licence of every distribution is read from the licence files it ships, else from the SPDX expression of its
metadata, and put to `rights`: one that is not recognised, or not permissive, gives no file. Files are read in a fixed
order, so the same environment gives the same sites. Copies go into the team's repository inside the workspace, never
into golddiff.

Not used: vendored copies, files over 32 kB (transcripts hold whole files), and the standard library's own tests,
which not every system installs.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from golddiff.rights.licence import detect, permits_training

__all__ = ["MAX_BYTES", "SOURCES", "Licensed", "SourceFile", "licences", "read_sources"]

STANDARD_LIBRARY = "python"

SOURCES = (
    STANDARD_LIBRARY, "ctranslate2", "gguf", "huggingface_hub", "httpx", "mpmath", "mypy", "networkx", "numpy",
    "openai", "pip", "plotly", "pyarrow", "pydantic", "Pygments", "pytest", "rich", "sacrebleu", "sentencepiece",
    "setuptools", "sympy", "tabulate", "tokenizers", "torch", "transformers", "typer",
)  # fmt: skip
"""Distributions of the pinned environment that are searched; `python` is the standard library."""

MAX_BYTES = 32_000
SKIPPED = frozenset({"site-packages", "test", "idlelib", "turtledemo", "_vendor", "vendor", "_vendored", "externals"})
MOST_FILES = 700
"""Of one distribution, evenly over its folders: the largest hold thousands of near copies."""


@dataclass(frozen=True)
class SourceFile:
    """One real file."""

    distribution: str
    path: str
    """Below the root of the team's repository: `<distribution>/…`."""
    text: str
    licence: str


@dataclass(frozen=True)
class Licensed:
    """What is known of a distribution's licence."""

    distribution: str
    version: str
    spdx: str | None
    source: str
    permitted: bool
    reason: str


def licences(names: Sequence[str] = SOURCES) -> list[Licensed]:
    """Return the licence of every named distribution that is installed."""
    found = []
    for name in names:
        spdx: str | None
        if name == STANDARD_LIBRARY:
            version, spdx, source = sysconfig.get_python_version(), "PSF-2.0", "docs.python.org/3/license.html"
        else:
            try:
                distribution = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                continue
            version = distribution.version
            spdx, source = _licence_of(distribution)
        reading = permits_training(spdx)
        found.append(Licensed(name, version, spdx, source, reading.permits, reading.reason))
    return found


def _licence_of(distribution: metadata.Distribution) -> tuple[str | None, str]:
    """Return SPDX expression and where it was read: the licence file's words count before the metadata's claim."""
    texts = {}
    for file in distribution.files or ():
        parts = file.parts
        inside = parts[1:] if len(parts) > 1 and parts[0].endswith(".dist-info") else ()
        if len(inside) == 1 or (len(inside) == 2 and inside[0] in ("licenses", "license_files")):
            try:
                texts[inside[-1]] = file.read_text("utf-8")
            except (OSError, UnicodeDecodeError, ValueError):
                continue
    detected = detect(texts)
    if detected.spdx:
        return detected.spdx, f"{detected.source} of the distribution"
    stated = distribution.metadata.json.get("license_expression")
    return (stated if isinstance(stated, str) else None), "License-Expression of the distribution"


def read_sources(allowed: Sequence[Licensed]) -> Iterator[SourceFile]:
    """Yield the usable Python files of every permitted distribution, in order."""
    for one in allowed:
        if not one.permitted or one.spdx is None:
            continue
        for root, path in _files_of(one.distribution):
            relative = path.relative_to(root).as_posix()
            try:
                text = path.read_bytes().decode("utf-8") if path.stat().st_size <= MAX_BYTES else ""
            except (OSError, UnicodeDecodeError):
                continue
            if text and "\r" not in text and "\f" not in text:
                yield SourceFile(one.distribution, f"{one.distribution.lower()}/{relative}", text, one.spdx)


def _files_of(name: str) -> list[tuple[Path, Path]]:
    """Return (root, file) of the distribution's Python files, in order of path."""
    if name == STANDARD_LIBRARY:
        root = Path(sysconfig.get_path("stdlib"))
        paths = [path for path in root.rglob("*.py") if not SKIPPED & set(path.relative_to(root).parts)]
        paths = [path for path in paths if "tests" not in path.relative_to(root).parts]
    else:
        distribution = metadata.distribution(name)
        root = Path(str(distribution.locate_file("")))
        paths = [
            root / file
            for file in distribution.files or ()
            if file.suffix == ".py" and ".." not in file.parts and not SKIPPED & set(file.parts)
        ]
    return [(root, path) for path in sorted(paths)[:: 1 + len(paths) // MOST_FILES]]

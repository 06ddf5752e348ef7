"""What follows from the installed code alone: files, licences, sites, the plan. Kept, since it takes a while.

How it fits: the first step of the demo. Sites are kept as JSON under a key that names settings, versions and the code
that found them, so that a second run starts at once and a changed rule never meets old sites.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from pathlib import Path

import msgspec

from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.families import IN_WORKFLOW, OFF_WORKFLOW
from golddiff.recipes.house_style.plan import Plan, make_plan
from golddiff.recipes.house_style.sites import Found, Site, find_sites
from golddiff.recipes.house_style.sources import Licensed, SourceFile, licences, read_sources

__all__ = ["Material", "gather"]


@dataclass(frozen=True)
class Material:
    """What the demo works on."""

    licences: list[Licensed]
    files: dict[str, SourceFile]
    sites: list[Site]
    dropped: dict[str, int]
    """`family: reason` → places that are no sites."""
    plan: Plan

    @property
    def licence_of(self) -> dict[str, str]:
        """Path → SPDX id of the distribution that it belongs to."""
        return {path: file.licence for path, file in self.files.items()}


class _Kept(msgspec.Struct):
    key: str
    sites: list[Site]
    dropped: dict[str, int]


def gather(folder: Path, config: DemoConfig, say: Callable[[str], None]) -> Material:
    """Return the material, from `folder` where it is kept and still true."""
    found_licences = licences()
    files = {file.path: file for file in read_sources(found_licences)}
    path, key = folder / "sites.json", _key(found_licences, files)
    kept = _load(path)
    if kept is None or kept.key != key:
        say(f"searching {len(files)} files of {len(found_licences)} distributions for places to edit")
        found = find_sites(files.values(), IN_WORKFLOW + OFF_WORKFLOW)
        kept = _Kept(key, found.sites, _counted(found))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(kept))
    usable = [site for site in kept.sites if len(site.before) <= config.longest_characters]
    return Material(found_licences, files, kept.sites, kept.dropped, make_plan(usable, config))


def _counted(found: Found) -> dict[str, int]:
    return {f"{family}: {reason}": count for (family, reason), count in found.dropped.most_common()}


def _load(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None


def _key(found: list[Licensed], files: dict[str, SourceFile]) -> str:
    digest = blake2b(sys.version.encode(), digest_size=16)
    for one in found:
        digest.update(f"{one.distribution} {one.version} {one.spdx}\n".encode())
    digest.update(str(len(files)).encode())
    home = resources.files("golddiff.recipes.house_style")
    for part in ("", "families", "harness"):
        for file in sorted(home.joinpath(part).iterdir(), key=lambda one: one.name):
            if file.name.endswith(".py") and (part or file.name in ("sites.py", "sources.py", "statement.py")):
                digest.update(file.read_bytes())
    return digest.hexdigest()

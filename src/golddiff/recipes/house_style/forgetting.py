"""What training must not cost: tasks of other families, and the likelihood of code that nobody edits.

How it fits: `evaluation` asks base and student the off-workflow tasks, each with a few solved examples of the same
family in the conversation, since neither was ever told what the wish means; the likelihood is that of bare text. The
code comes from files outside the team's repository.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec

from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.families import OFF_WORKFLOW
from golddiff.recipes.house_style.plan import skeleton
from golddiff.recipes.house_style.rows import example_of
from golddiff.recipes.house_style.sites import Site
from golddiff.recipes.house_style.sources import SourceFile
from golddiff.types import Example

__all__ = ["off_workflow_tasks", "untouched_samples"]

LINES = 16
"""Lines of one sample of untouched code."""
SHOWN = 4
"""Solved examples kept per family."""


def off_workflow_tasks(
    sites: Sequence[Site], licence_of: Mapping[str, str], config: DemoConfig
) -> tuple[list[Example], list[Example]]:
    """Return (tasks, solved examples to show), families in equal numbers as far as there are sites."""
    chance = random.Random(config.seed)  # noqa: S311 - a sample, not a secret
    by_family: dict[str, list[Site]] = defaultdict(list)
    shapes: set[tuple[str, str]] = set()
    pool = [site for site in sites if len(site.before) <= config.longest_characters]
    chance.shuffle(pool)
    for site in pool:
        shape = (site.family, skeleton(site.before))
        if shape not in shapes:
            shapes.add(shape)
            by_family[site.family].append(site)
    tasks: list[Example] = []
    shown: list[Example] = []
    families = [family for family in OFF_WORKFLOW if len(by_family[family.name]) > SHOWN]
    for family in families:
        made = [
            example_of(site, family, licence_of[site.path], "off-workflow")
            for site in by_family[family.name][: SHOWN + config.off_workflow_rows // len(families)]
        ]
        shown += [msgspec.structs.replace(one, at=one.at - timedelta(days=1)) for one in made[:SHOWN]]
        tasks += made[SHOWN:]
    return tasks, shown


def untouched_samples(files: Iterable[SourceFile], config: DemoConfig, touched: set[str]) -> list[tuple[str, str]]:
    """Return (path, text) of pieces of files that no session touches."""
    chance = random.Random(config.seed + 1)  # noqa: S311 - a sample, not a secret
    pool = [file for file in files if file.path not in touched and file.text.count("\n") > 3 * LINES]
    samples = []
    for file in chance.sample(pool, min(len(pool), config.untouched_samples)):
        lines = file.text.split("\n")
        start = chance.randrange(LINES, len(lines) - LINES)
        samples.append((file.path, "\n".join(lines[start : start + LINES])))
    return samples

"""Who edits what, when: sites → files trained on and files held out → sessions in order of time.

How it fits: pure data from `sites` and a seed; `product` plays it. Whole files are held out, and the sessions on them
come last, so a time split never puts a file on both sides. Sites that differ in names only ("`x: Optional[str]`" in a
hundred places) are capped, so that neither training nor the test is one sentence over and over. Lines next to each
other are not edited in one session: their changes would be one window.

Each session has one family and one wish, as a team does it that introduces its style rule by rule. A few early
sessions are thrown away by the user, so that acceptance means something.
"""

from __future__ import annotations

import io
import keyword
import random
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from golddiff.recipes.house_style.config import DemoConfig
from golddiff.recipes.house_style.harness.style import OLD_TYPING
from golddiff.recipes.house_style.sites import Site

__all__ = ["Plan", "PlannedSession", "make_plan", "skeleton"]

KEPT_NAMES = OLD_TYPING | {"set", "dict", "list", "tuple", "isinstance", "super", "format", "keys", "self", "cls"}


@dataclass(frozen=True)
class PlannedSession:
    """One task for the agent."""

    number: int
    family: str
    sites: tuple[Site, ...]
    held_out: bool
    """Whether its files are never trained on."""
    kept: bool
    """False where the user throws the work away."""


@dataclass(frozen=True)
class Plan:
    """The team's work in order."""

    sessions: tuple[PlannedSession, ...]
    paths: tuple[str, ...]
    """Files that the team's repository holds."""

    def sites(self, *, held_out: bool) -> list[Site]:
        """Return the sites of one side that are kept."""
        return [site for one in self.sessions if one.held_out == held_out and one.kept for site in one.sites]


def skeleton(text: str) -> str:
    """Return the shape of a statement: names, numbers and the words inside text literals taken out."""
    shape = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text.strip() + "\n").readline):
            if token.type == tokenize.NAME and not (keyword.iskeyword(token.string) or token.string in KEPT_NAMES):
                shape.append("n")
            elif token.type == tokenize.STRING:
                shape.append("".join(c for c in token.string if not (c.isalnum() or c.isspace())))
            elif token.type not in (tokenize.COMMENT, tokenize.NEWLINE, tokenize.ENDMARKER):
                shape.append(token.string)
    except (tokenize.TokenError, IndentationError):
        pass
    return " ".join(shape)


def make_plan(sites: Sequence[Site], config: DemoConfig) -> Plan:
    """Return the plan for `config.seed`. Fewer sites than asked for give fewer sessions, never repeats."""
    chance = random.Random(config.seed)  # noqa: S311 - a plan, not a secret
    usable = [site for site in sites if site.family in config.train_rows]
    held_out = _held_out_files(usable, config, chance)
    test = _chosen([site for site in usable if site.path in held_out], config.test_rows, config, chance)
    train = _chosen([site for site in usable if site.path not in held_out], config.train_rows, config, chance)
    first = _grouped(train, config)
    chance.shuffle(first)
    last = _grouped(test, config)
    chance.shuffle(last)
    thrown = set(range(2, len(first), max(1, len(first) // max(1, config.rejected_sessions))))
    sessions = [
        PlannedSession(number, group[0].family, tuple(group), held_out=number >= len(first), kept=number not in thrown)
        for number, group in enumerate(first + last)
    ]
    paths = sorted({site.path for one in sessions for site in one.sites})
    return Plan(tuple(sessions), tuple(paths))


def _held_out_files(sites: Sequence[Site], config: DemoConfig, chance: random.Random) -> set[str]:
    """Choose whole files until every family has enough sites to test on."""
    by_path: dict[str, Counter[str]] = defaultdict(Counter)
    for site in sites:
        by_path[site.path][site.family] += 1
    paths = sorted(by_path)
    chance.shuffle(paths)
    missing = Counter({family: round(n * config.test_reserve) for family, n in config.test_rows.items()})
    total = Counter(site.family for site in sites)
    for family in missing:
        missing[family] = min(missing[family], total[family] // 4)
    chosen = set()
    for path in paths:
        held = by_path[path]
        if any(missing[family] > 0 for family in held) and sum(held.values()) <= config.most_of_a_file:
            chosen.add(path)
            missing -= held
    return chosen


def _chosen(sites: Iterable[Site], wanted: Mapping[str, int], config: DemoConfig, chance: random.Random) -> list[Site]:
    """Choose up to the wanted number per family, at most a few of one shape and none on adjoining lines."""
    pool = sorted(sites, key=lambda site: (site.path, site.first_line))
    chance.shuffle(pool)
    shapes: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    taken: dict[str, set[int]] = defaultdict(set)
    chosen = []
    for site in pool:
        shape = (site.family, skeleton(site.before))
        near = {site.first_line - 1, site.first_line, site.first_line + 1} & taken[site.path]
        if counts[site.family] < wanted[site.family] and shapes[shape] < config.same_shape and not near:
            shapes[shape] += 1
            counts[site.family] += 1
            taken[site.path].add(site.first_line)
            chosen.append(site)
    return chosen


def _grouped(sites: Sequence[Site], config: DemoConfig) -> list[list[Site]]:
    """Group sites of one family, file by file, into sessions of a readable size."""
    groups: list[list[Site]] = []
    for family in sorted({site.family for site in sites}):
        mine = sorted((s for s in sites if s.family == family), key=lambda s: (s.path, s.first_line))
        group: list[Site] = []
        for site in mine:
            full = len(group) >= config.sites_per_session
            files = {one.path for one in group} | {site.path}
            if group and (full or len(files) > config.files_per_session):
                groups.append(group)
                group = []
            group.append(site)
        if group:
            groups.append(group)
    return groups

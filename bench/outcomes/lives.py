"""Are the lives of lines right? Judged against generated histories, whose truth is known line by line.

    python -m bench.outcomes.lives --seeds 40

For every line of the truth and every span in which it lived on the main line: does the pass end it at the same commit?
A line that was moved, re-indented, wrapped or renamed with its file lives on in the truth. Blank lines are left out.
Counted over all, and over the lines whose text was written only once ("alone"): boilerplate that stands in several
places cannot be told apart by anyone who sees only the text.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.histories import SCENARIOS, History, generate

from golddiff.git import GitRepository
from golddiff.outcomes.survival import Followed, follow
from golddiff.outcomes.survival.forward import Carry, write_new
from golddiff.outcomes.survival.ledger import NEVER
from golddiff.outcomes.survival.reshaped import carry_reshaped

MODES: dict[str, Carry] = {"exact": write_new, "reshaped": carry_reshaped}


@dataclass(slots=True)
class Count:
    """Lives looked at and right."""

    lives: int = 0
    right: int = 0

    def add(self, right: bool) -> None:
        """One more."""
        self.lives += 1
        self.right += right


@dataclass(slots=True)
class Verdict:
    """How one mode did."""

    every: Count
    alone: Count
    wrong: list[str]
    """Lines whose text is alone and whose end is wrong, in words."""


def judge(history: History, carry: Carry) -> Verdict:
    """Compare one pass with the truth."""
    truth = history.truth
    wanted = {sha: [path.encode() for path in truth.trees[sha]] for sha in truth.main_line}
    with GitRepository.open(history.folder) as git:
        found = follow(git, truth.main_line[-1], carry=carry, watch=wanted)
    verdict = Verdict(Count(), Count(), [])
    for sha in truth.main_line:
        for path, lines in truth.trees[sha].items():
            numbers = found.seen[sha, path.encode()]
            for line, number in zip(lines, numbers, strict=True):
                spans = [life for life in truth.lines[line.id].lives if life.born == sha]
                if not spans or line.part or not line.text.strip():
                    continue
                right = spans[0].ended in ends(found, number)
                verdict.every.add(right)
                if truth.alone(line.id):
                    verdict.alone.add(right)
                    if not right:
                        verdict.wrong.append(f"{path}: {line.text.strip()!r}: {spans[0].ended} is true")
    return verdict


def ends(found: Followed, number: int) -> set[str | None]:
    """Commits that ended the lines that a number stands for; None: alive."""
    ended = (found.ledger.ended[line] for line in found.ledger.lines_of(number))
    return {None if at == NEVER else found.commits[found.mainline[at]].sha for at in ended}


def random_history(seed: int, folder: Path, scenarios: int = 6) -> History:
    """Some scenarios in a row."""
    rng = Random(seed)
    names = [rng.choice(sorted(SCENARIOS)) for _ in range(scenarios)]
    return generate(seed, tuple(name for scenario in names for name in SCENARIOS[scenario]), folder)


def measure(seeds: int) -> dict[str, Verdict]:
    """Judge both modes on so many histories."""
    total = {mode: Verdict(Count(), Count(), []) for mode in MODES}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            history = random_history(seed, Path(folder) / "history")
            for mode, carry in MODES.items():
                one = judge(history, carry)
                for mine, theirs in ((total[mode].every, one.every), (total[mode].alone, one.alone)):
                    mine.lives += theirs.lives
                    mine.right += theirs.right
                total[mode].wrong += one.wrong
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40, help="histories to generate (default: 40)")
    for mode, verdict in measure(parser.parse_args().seeds).items():
        print(f"{mode}: {verdict.every.right}/{verdict.every.lives}; alone {verdict.alone.right}/{verdict.alone.lives}")
        for wrong in verdict.wrong[:10]:
            print("   ", wrong)


if __name__ == "__main__":
    main()

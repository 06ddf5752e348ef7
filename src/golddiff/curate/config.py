"""What shapes a dataset. Everything here is stored with it, and what changes its rows is part of its hash."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from golddiff.errors import UsageError
from golddiff.prompts.edit import MOST_INSTRUCTION_CHARACTERS
from golddiff.prompts.windows import CONTEXT_LINES

STRATEGIES = ("time", "path")
TARGETS = ("accepted", "attempt", "shuffled")


@dataclass(frozen=True)
class CurateConfig:
    """Settings of one build."""

    name: str
    """Name of the dataset; the arms other than `accepted` are called `<name>-<arm>`."""
    targets: tuple[str, ...] = ("accepted",)
    """Arms to write over the same rows and split: what was `accepted`, the agent's first `attempt` instead, or the
    accepted outputs `shuffled` among the training rows (a control: same texts, no relation to the input)."""
    context_lines: int = CONTEXT_LINES
    """Unchanged lines kept on each side of a change. Accepted patches hold 3; more is possible for history only."""
    max_window_chars: int = 1_200
    """Rows whose window, before or after, is longer are dropped. Instruction and both windows must fit the sequences
    that `train` packs; a token of code is about three characters."""
    max_instruction_chars: int = MOST_INSTRUCTION_CHARACTERS
    """Longer instructions keep their end (the latest prompts)."""
    max_file_bytes: int = 1_000_000
    """Larger files of a history are dropped: data, not code."""
    max_commit_lines: int = 1_000
    """Changed lines of a commit of a history beyond which it is dropped as a whole."""
    max_commit_files: int = 40
    """Changed files of a commit of a history beyond which it is dropped as a whole."""
    max_commits: int = 20_000
    """Newest commits of a history that are read."""
    include: tuple[str, ...] = ()
    """Shell patterns on paths; only these files. Empty: all."""
    near_duplicates: float | None = 0.8
    """Estimated Jaccard similarity of token 3-grams from which two rows are near duplicates; None: exact only."""
    split: str = "time"
    """`time`: the latest rows are the test side. `path`: whole files are, chosen by hash."""
    test_fraction: float = 0.2
    """Share of rows for the test side, 0 to below 1, before decontamination."""
    test_repositories: tuple[str, ...] = ()
    """Ids or names of repositories kept out of training altogether."""
    require_attempt: bool = False
    """Keep only rows whose first attempt is known; set by asking for the arm `attempt`."""
    max_rows: int | None = None
    """Keep the latest rows only; None: all."""
    seed: int = 0
    """Seed of the path split and of the shuffle."""

    def __post_init__(self) -> None:
        _require(self.split in STRATEGIES, f"split `{self.split}`: allowed are {', '.join(STRATEGIES)}.")
        for target in self.targets:
            _require(target in TARGETS, f"arm `{target}`: allowed are {', '.join(TARGETS)}.")
        _require(bool(self.targets), "no arm to write: give at least `accepted`.")
        _require(0 <= self.test_fraction < 1, f"test fraction {self.test_fraction}: allowed is 0 to below 1.")
        _require(self.context_lines >= 0, f"context lines {self.context_lines}: allowed is 0 or more.")
        for name in ("max_window_chars", "max_instruction_chars", "max_commits", "max_rows"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"{name.replace('_', ' ')} {value}: allowed is 1 or more.")
        similarity = self.near_duplicates
        _require(similarity is None or 0 < similarity <= 1, f"similarity {similarity}: allowed is above 0, to 1.")

    @property
    def needs_attempt(self) -> bool:
        """Whether rows without a known first attempt are dropped, so that all arms hold the same tasks."""
        return self.require_attempt or "attempt" in self.targets

    def record(self) -> dict[str, str | int | float | bool | None]:
        """Flat values for the dataset's record."""
        values = asdict(self)
        return {key: ", ".join(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UsageError(message)

"""How long lines live: the origin of every line carried forward once through the history of a ref.

Blame looks backwards from one commit, so to know what is alive at a hundred moments it runs a hundred times. Here one
pass over all commits, parents first, keeps for every file an array of line numbers and splices it by the ranges of
each hunk. Who wrote a line, when it reached the mainline and which commit ended it are then known for every line and
every moment. `forward` is the pass, `merges` and `renames` follow `git blame` (default options) in what is ambiguous,
`ledger` holds the lines, `lives` gives them out.

Blame's answer is the specification of the exact mode: on pallets/click, simonw/datasette and
marshmallow-code/marshmallow every line of every file at the tip has the commit that `git blame` names
(docs/benchmarks.md).

How it fits: `outcomes.decide` asks for the lives of a session's accepted lines and gives them as `types.Survival`;
reading is `git.splices`. Not covered: text inside binary files, links and submodules.
"""

from golddiff.outcomes.survival.forward import Followed, follow
from golddiff.outcomes.survival.lives import Life, lives

__all__ = ["Followed", "Life", "follow", "lives"]

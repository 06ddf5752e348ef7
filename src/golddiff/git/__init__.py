"""Safe, read-only git: history, changes and blobs of a repository that may be hostile.

A repository can carry programs that git starts for its owner: hooks, filters, textconv, external diffs, fsmonitor,
pagers, aliases, signature checkers, remote helpers. Nothing here ever starts one of them, because

- only plumbing that compares commits or reads objects is used (`rev-list`, `diff-tree`, `cat-file`, `ls-tree`,
  `for-each-ref`, `config --get-regexp`): never a checkout, `status` or `diff`;
- every command names the git directory, also as its worktree, so no file of the real worktree is consulted; only
  `worktree` lets `ls-files` and `check-ignore` see the real one, which compare names and never contents;
- external diff and textconv are off on the command line, the environment is rebuilt from nothing, system and user
  configuration are not read, and no transport is allowed, so a partial clone cannot fetch a missing object either.

One module writes: `notes`, into the ref that a user named, by `fast-import`.

How it fits: `outcomes` and `curate` read history through `GitRepository`; the repository is found by looking at
files, so git's own ownership check and discovery never run. Objects that are absent (partial clones) are skipped
and listed in `unreadable`, never fetched. Merge commits have no changes of their own here.

Not covered: writing, submodule contents. Method and threat list: git 2.39 probes, where worktree diffs
ran `filter.clean` under every switch, and commit-to-commit diffs ran nothing.
"""

from golddiff.git.parsing import CommitFacts, FileChange, Hunk
from golddiff.git.repository import GitRepository
from golddiff.git.worktree import Worktree

__all__ = ["CommitFacts", "FileChange", "GitRepository", "Hunk", "Worktree"]

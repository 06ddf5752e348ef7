"""The operations that histories are made of, by name; each works on whatever the ones before it left.

An operation that does not apply (a merge without a branch, an amend of the first commit) does nothing, so every list
of operations is a history and a failing one can be shrunk by leaving operations out. Each draws from its own stream
of random numbers, named by seed, position and name.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from bench.histories import reshape, work
from bench.histories.agent import TEAM, USER
from bench.histories.builder import MAIN, Builder
from bench.histories.reshape import of_session
from bench.histories.trees import Hunk, line_ids, transfer

Operation = Callable[[Builder, Random], None]


# ----------------------------------------------------------------------------------------------------------- sessions


def session(builder: Builder, rng: Random) -> None:
    """A new session makes one or two attempts in the worktree."""
    agent = builder.begin(rng)
    for _ in range(rng.choice((1, 1, 2))):
        work.turn(builder, agent, rng)


def resume(builder: Builder, rng: Random) -> None:
    """The newest session goes on: one more attempt (a session over several commits)."""
    if builder.sessions and builder.sessions[-1].manner != "patch":
        work.turn(builder, builder.sessions[-1], rng)
    else:
        session(builder, rng)


def overwrite(builder: Builder, rng: Random) -> None:
    """A new session rewrites lines that an earlier one wrote."""
    places = builder.own_lines(of_session)
    if not places:
        return session(builder, rng)
    agent = builder.begin(rng)
    agent.prompt(builder.wait(minutes=3), "please do it in another way")
    agent.answer(builder.wait(minutes=1))
    place = rng.choice(places)
    before = builder.worktree[place[0]]
    builder.agent_edits(agent, work.rewrite(builder, rng, place, agent.writer), before)
    return None


def write_again(builder: Builder, rng: Random) -> None:
    """A new session is asked for what was thrown away, and writes the same lines word for word."""
    if not builder.thrown_away or not builder.worktree:
        return session(builder, rng)
    agent = builder.begin(rng)
    agent.prompt(builder.wait(minutes=3), "please try it once more")
    agent.answer(builder.wait(minutes=1))
    number = rng.choice(sorted(builder.worktree))
    before = builder.worktree[number]
    at = len(before.lines)
    builder.splice(number, at, at, builder.lines(builder.thrown_away, agent.writer), agent.writer)
    builder.agent_edits(agent, number, before)
    return None


def agent_commits(builder: Builder, rng: Random) -> None:
    """The newest session commits the worktree itself."""
    if builder.sessions and builder.dirty:
        agent = builder.sessions[-1]
        made = builder.commit("commit by the agent")
        agent.command(builder.now, "git add -A && git commit -m 'commit by the agent'", "commit by the agent", made)


# ---------------------------------------------------------------------------------------------------- the user's edits


def user_revises(builder: Builder, rng: Random) -> None:
    """The user changes lines of a session, uncommitted ones first: a revision before the commit."""
    places = builder.own_lines(of_session, pending=True)
    work.revise(builder, rng, rng.sample(places, min(len(places), rng.randrange(1, 4))), USER)


def user_removes(builder: Builder, rng: Random) -> None:
    """The user removes a line or two of a session, uncommitted ones first."""
    places = builder.own_lines(of_session, pending=True)
    if places:
        number, index = rng.choice(places)
        stop = min(index + rng.randrange(1, 3), len(builder.worktree[number].lines))
        builder.splice(number, index, stop, (), USER)


def user_adds(builder: Builder, rng: Random) -> None:
    """The user writes a function of their own into the worktree."""
    if builder.worktree:
        work.function(builder, rng, rng.choice(sorted(builder.worktree)), USER)


def boilerplate(builder: Builder, rng: Random) -> None:
    """The user writes a block that others write too, word for word."""
    if builder.worktree:
        work.boilerplate(builder, rng, rng.choice(sorted(builder.worktree)), USER)


def follow_up(builder: Builder, rng: Random) -> None:
    """Hours after the commit, the user mends committed lines of a session and commits that."""
    builder.wait(hours=rng.randrange(1, 30))
    committed = line_ids(builder.head_tree)
    places = [place for place in builder.own_lines(of_session) if builder.line(place).id in committed]
    if places:
        work.revise(builder, rng, rng.sample(places, min(len(places), rng.randrange(1, 3))), USER)
        builder.commit("fix what was added")


def discard(builder: Builder, rng: Random) -> None:
    """All uncommitted work is thrown away: the user refuses, has the agent undo it, or says nothing."""
    if not builder.dirty:
        return
    how = rng.choice(("rejection", "command", "silent"))
    if builder.sessions and how == "rejection":
        builder.sessions[-1].reject(builder.wait(minutes=1))
    elif builder.sessions and how == "command":
        builder.sessions[-1].command(builder.wait(minutes=1), "git reset --hard", "HEAD is now at it")
    committed = line_ids(builder.head_tree)
    lost = [
        [line.text for line in file.lines if line.id not in committed and of_session(builder.writers[line.id])]
        for _, file in sorted(builder.worktree.items())
    ]
    builder.thrown_away = max(lost, key=len, default=[]) or builder.thrown_away
    builder.worktree = dict(builder.head_tree)


# ------------------------------------------------------------------------------------------------------------ commits


def commit(builder: Builder, rng: Random) -> None:
    """Commit the worktree as it is."""
    if builder.dirty:
        builder.wait(minutes=rng.randrange(1, 90))
        builder.commit(f"change {rng.randrange(1000)}")


def commit_part(builder: Builder, rng: Random) -> None:
    """Stage and commit some of the hunks; the rest stays in the worktree."""

    def choose(hunk: Hunk) -> bool:
        return rng.random() < 0.5

    tree = transfer(builder.head_tree, builder.worktree, builder.head_tree, choose)
    if tree != builder.head_tree:
        builder.commit("a part of the change", tree=tree)


def commit_some_lines(builder: Builder, rng: Random) -> None:
    """Stage and commit the first lines of one addition (`git add -p`, split by hand); the rest stays."""
    head = builder.head_tree
    committed = line_ids(head)
    for number in sorted(builder.worktree):
        file, old = builder.worktree[number], head.get(number)
        fresh = [line for line in file.lines if line.id not in committed]
        if old is None or len(fresh) < 2 or file.path != old.path:
            continue
        left = {line.id for line in fresh[rng.randrange(1, len(fresh)) :]}
        short = file._replace(lines=tuple(line for line in file.lines if line.id not in left))
        tree = transfer(head, {**head, number: short}, head)
        if tree != head:
            builder.commit("some lines of the change", tree=tree)
        return


def amend(builder: Builder, rng: Random) -> None:
    """The last commit is made again with the worktree's changes."""
    head = builder.head
    if head is None or len(builder.commits[head].parents) != 1 or not builder.dirty:
        return
    old = builder.commits[head]
    builder.wait(minutes=4)
    tree = dict(builder.worktree)
    builder.branches[builder.current] = builder.add_commit(old.parents, tree, old.message, USER, old.authored_at)


def fixup(builder: Builder, rng: Random) -> None:
    """The worktree's changes go into the commit before the last (`--fixup`, `rebase --autosquash`)."""
    head = builder.head
    assert head is not None
    tip = builder.commits[head]
    before = tip.parents[0] if len(tip.parents) == 1 else None
    if before is None or len(builder.commits[before].parents) != 1 or not builder.dirty:
        return
    old = builder.commits[before]
    pending = dict(builder.worktree)
    builder.wait(minutes=5)
    tree = transfer(builder.head_tree, builder.worktree, old.tree)
    mended = builder.add_commit(old.parents, tree, old.message, USER, old.authored_at)
    last = builder.add_commit(
        (mended,), pending, builder.commits[head].message, USER, builder.commits[head].authored_at
    )
    builder.branches[builder.current] = last


def others(builder: Builder, rng: Random) -> None:
    """Someone else commits something unrelated to the main branch."""
    current, pending, old = builder.current, builder.worktree, builder.commits[builder.branches[MAIN]].tree
    builder.current, builder.worktree = MAIN, dict(old)
    builder.wait(hours=rng.randrange(1, 9))
    if rng.random() < 0.6 and builder.worktree:
        work.function(builder, rng, rng.choice(sorted(builder.worktree)), TEAM)
    else:
        builder.add_file(builder.words.path(rng), builder.words.module(rng), TEAM)
    builder.commit("something else", TEAM)
    builder.worktree = transfer(old, pending, builder.head_tree) if current == MAIN else pending
    builder.current = current


# ----------------------------------------------------------------------------------------------------------- branches


def branch(builder: Builder, rng: Random) -> None:
    """Start a branch at the main branch and check it out; uncommitted changes come along."""
    builder.switch(MAIN)
    name = f"feature-{len(builder.commits)}-{len(builder.branches)}"
    builder.branches[name] = builder.branches[MAIN]
    builder.switch(name)


def _open_branch(builder: Builder) -> str | None:
    """The newest branch that holds commits which the main branch lacks."""
    done = builder.ancestors(builder.branches[MAIN])
    return next((name for name in reversed(builder.branches) if builder.branches[name] not in done), None)


def merge(builder: Builder, rng: Random) -> None:
    """Merge the newest open branch into the main branch with a merge commit."""
    if name := _open_branch(builder):
        builder.switch(MAIN)
        builder.wait(hours=rng.randrange(1, 48))
        ours, theirs = builder.branches[MAIN], builder.branches[name]
        made = builder.add_commit((ours, theirs), builder.merged_tree(ours, theirs), f"merge {name}", USER)
        builder.move(MAIN, made)


def squash_merge(builder: Builder, rng: Random) -> None:
    """Merge the newest open branch into the main branch as one commit."""
    if name := _open_branch(builder):
        builder.switch(MAIN)
        builder.wait(hours=rng.randrange(1, 48))
        tree = builder.merged_tree(builder.branches[MAIN], builder.branches[name])
        if tree != builder.head_tree:
            builder.move(MAIN, builder.add_commit((builder.branches[MAIN],), tree, f"{name} squashed", USER))


def rebase(builder: Builder, rng: Random) -> None:
    """Rebase the newest open branch onto the main branch, then fast-forward that."""
    if name := _open_branch(builder):
        builder.wait(hours=rng.randrange(1, 24))
        base = builder.merge_base(builder.branches[MAIN], builder.branches[name])
        own = builder.ancestors(builder.branches[name]) - builder.ancestors(base)
        tip = builder.replay([n for n in sorted(own) if len(builder.commits[n].parents) == 1], builder.branches[MAIN])
        builder.move(name, tip)
        builder.move(MAIN, tip)
        if builder.current == name:
            builder.switch(MAIN)


def cherry_pick(builder: Builder, rng: Random) -> None:
    """Pick one commit of the newest open branch onto the main branch."""
    if name := _open_branch(builder):
        own = builder.ancestors(builder.branches[name]) - builder.ancestors(builder.branches[MAIN])
        single = [number for number in sorted(own) if len(builder.commits[number].parents) == 1]
        if single:
            builder.switch(MAIN)
            builder.move(MAIN, builder.replay([rng.choice(single)], builder.branches[MAIN]))


def delete_branch(builder: Builder, rng: Random) -> None:
    """Delete the newest branch, merged or not."""
    name = next((name for name in reversed(builder.branches) if name != MAIN), None)
    if name is not None:
        builder.switch(MAIN)
        del builder.branches[name]


# ------------------------------------------------------------------------------------------------------------ reverts


def _main_line(builder: Builder) -> list[int]:
    """Commits of the main branch by first parents, newest first."""
    found = [builder.branches[MAIN]]
    while builder.commits[found[-1]].parents:
        found.append(builder.commits[found[-1]].parents[0])
    return found


def _take_back(builder: Builder, number: int, message: str) -> None:
    builder.switch(MAIN)
    before, head = builder.commits[builder.commits[number].parents[0]].tree, builder.head_tree
    tree = transfer(builder.commits[number].tree, before, head)
    if tree == head:
        return
    builder.wait(hours=6)
    for line in sorted(line_ids(head) - line_ids(tree)):
        builder.removals[line].append((builder.now, USER))
    made = builder.add_commit((builder.branches[MAIN],), tree, message, USER)
    builder.reverts[made] = number
    builder.move(MAIN, made)


def revert(builder: Builder, rng: Random) -> None:
    """Revert a commit of the main branch that holds a session's lines."""
    line = _main_line(builder)
    taken_back = set(builder.reverts.values())
    for number in line[:-1]:
        own = builder.commits[number]
        fresh = line_ids(own.tree) - line_ids(builder.commits[own.parents[0]].tree)
        wrote = any(of_session(builder.writers[item]) for item in fresh)
        if wrote and number not in builder.reverts and number not in taken_back:
            return _take_back(builder, number, f'Revert "{own.message}"')
    return None


def unrevert(builder: Builder, rng: Random) -> None:
    """Revert the newest revert that still stands."""
    taken_back = set(builder.reverts.values())
    for number in _main_line(builder)[:-1]:
        if number in builder.reverts and number not in taken_back:
            return _take_back(builder, number, f'Revert "{builder.commits[number].message}"')
    return None


def wait(builder: Builder, rng: Random) -> None:
    """Some days pass."""
    builder.wait(days=rng.randrange(1, 12))


OPERATIONS: dict[str, Operation] = {
    operation.__name__: operation
    for operation in (
        session, resume, overwrite, write_again, agent_commits, user_revises, user_removes, user_adds, boilerplate,
        follow_up, discard, commit, commit_part, commit_some_lines, amend, fixup, others, branch, merge, squash_merge,
        rebase, cherry_pick, delete_branch, revert, unrevert, reshape.rename_file, reshape.move_within,
        reshape.move_across, reshape.indent, reshape.line_ends, reshape.wrap_lines, wait,
    )
}  # fmt: skip
"""Every operation by its name."""

RESHAPING = frozenset({"rename_file", "move_within", "move_across", "indent", "line_ends", "wrap_lines"})
"""Those that end no line's life."""
REVERTING = frozenset({"revert", "unrevert"})

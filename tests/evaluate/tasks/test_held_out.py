"""The same limit gives the same tasks everywhere, and clusters follow from where tasks come from."""

import msgspec

from evaluate.conftest import task
from golddiff.evaluate.tasks.held_out import cluster_paths, sample
from golddiff.types import Provenance

TASKS = [task(number) for number in range(30)]


def test_a_sample_is_the_same_every_time_and_keeps_the_order() -> None:
    chosen = sample(TASKS, 10)
    assert chosen == sample(list(reversed(TASKS)), 10)[::-1]
    assert [one.at for one in chosen] == sorted(one.at for one in chosen)
    assert {one.id for one in sample(TASKS, 5)} <= {one.id for one in chosen}


def test_no_limit_takes_all() -> None:
    assert sample(TASKS, None) == sample(TASKS, 0) == sample(TASKS, 99) == TASKS


def test_tasks_of_one_repository_are_clustered_by_file() -> None:
    assert cluster_paths(TASKS[:2]) == [("file0.py", "ses_0"), ("file1.py", "ses_0")]


def test_tasks_of_several_repositories_are_clustered_by_repository() -> None:
    tasks = [
        msgspec.structs.replace(
            TASKS[0], provenance=Provenance(written_by="human", repository_id=repository, commit="c")
        )
        for repository in ("rep_a", "rep_b")
    ]
    assert cluster_paths(tasks) == [("rep_a", "c"), ("rep_b", "c")]

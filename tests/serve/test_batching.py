import threading

import pytest

from golddiff.serve.batching import Batcher
from golddiff.serve.engines.scripted import ScriptedEngine


def test_requests_that_wait_together_are_answered_together() -> None:
    gate = threading.Event()

    def script(prompt):
        gate.wait(5)
        return [prompt[0]] * 9

    engine = ScriptedEngine(script)
    batcher = Batcher(engine)
    first = batcher.submit([0], 2)
    while not engine.batches:  # the engine is busy with the first one from here on
        pass
    others = [batcher.submit([n], n) for n in range(1, 9)]
    gate.set()
    assert first.result(5) == [0, 0]
    assert [future.result(5) for future in others] == [[n] * n for n in range(1, 9)]
    batcher.close()
    assert engine.batches == [1, 8]


def test_a_failing_batch_fails_its_requests_and_not_the_next() -> None:
    def script(prompt):
        if prompt == [0]:
            raise RuntimeError("no memory")
        return prompt

    batcher = Batcher(ScriptedEngine(script))
    with pytest.raises(RuntimeError, match="no memory"):
        batcher.submit([0], 1).result(5)
    assert batcher.submit([7], 1).result(5) == [7]
    batcher.close()


def test_closing_answers_what_waits() -> None:
    batcher = Batcher(ScriptedEngine(list))
    futures = [batcher.submit([n], 1) for n in range(40)]
    batcher.close()
    assert [future.result(0) for future in futures] == [[n] for n in range(40)]

"""The recipe on a tiny random Llama: what it learns, and that stopping changes nothing."""

import functools
import math

import msgspec
import numpy as np
import pytest

from golddiff.errors import InputError, ModelError
from golddiff.models.load import load_for_training
from golddiff.train import R1Config, r1
from golddiff.train.packing import Row
from tiny_llama import write_model

torch = pytest.importorskip("torch")
torch.set_num_threads(1)  # tiny matrices: two threads mostly wait for each other

CONFIG = R1Config(
    prompt_tokens=24,
    answer_tokens=16,
    sequences_per_step=2,
    learning_rate=1e-2,
    epochs=3,
    save_every_sec=1e9,
    trained_share=1.0,
)
ROWS = [Row([4, 20 + n % 7, 30, 5], [20 + n % 7, 40 + n % 5, 2]) for n in range(40)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


def run(base, folder, config=CONFIG, key="k", **more):
    return r1.train(ROWS, base, config, key=key, state_folder=folder, **more)


def weights(result):
    return {name: value.detach().clone() for name, value in result.model.named_parameters()}


def test_the_loss_falls_and_the_embeddings_stay(base, tmp_path) -> None:
    result = run(base, tmp_path)
    assert math.isclose(result.losses[0], math.log(262), rel_tol=0.05)
    assert result.losses[-1] < result.losses[0] - 0.1  # random frozen embeddings leave little to learn
    assert result.tokens == 3 * sum(len(row.prompt) - 1 + len(row.answer) for row in ROWS)
    before = load_for_training(base)
    assert torch.equal(before.get_input_embeddings().weight, result.model.get_input_embeddings().weight)


@pytest.mark.parametrize("prompt_gradient", [False, True])
def test_a_packed_row_has_the_loss_it_has_alone(base, tmp_path, prompt_gradient: bool) -> None:
    config = R1Config(prompt_tokens=24, answer_tokens=16, sequences_per_step=2, prompt_gradient=prompt_gradient)
    (loss, *_) = run(base, tmp_path, config).losses
    model = load_for_training(base)
    losses = []
    batch = r1.plan(ROWS, config)[0]
    for sequence in range(2):
        for number in range(batch.answers.rows_NL[sequence].max() + 1):
            mine = [part.rows_NL[sequence] == number for part in (batch.prompts, batch.answers)]
            before = batch.prompts.tokens_NL[sequence][mine[0]]
            tokens = np.concatenate([before, batch.answers.tokens_NL[sequence][mine[1]]])
            logits = model(torch.from_numpy(tokens)[None]).logits[0, len(before) :]
            labels = torch.from_numpy(batch.labels_NA[sequence][mine[1]])
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="none").tolist()
    assert math.isclose(loss, sum(losses) / len(losses), rel_tol=1e-5)


def test_equal_seeds_give_equal_weights_and_another_seed_others(base, tmp_path) -> None:
    first, second = weights(run(base, tmp_path)), weights(run(base, tmp_path))
    other = weights(run(base, tmp_path, R1Config(prompt_tokens=24, answer_tokens=16, seed=1)))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


PLAIN = [30 + (7 * n) % 90 for n in range(200)]


def test_replay_keeps_the_student_nearer_to_its_base_on_text_that_it_did_not_see(base, tmp_path) -> None:
    unseen = torch.tensor([[31 + (11 * n) % 90 for n in range(40)]])
    before = load_for_training(base)

    @torch.no_grad()
    def drift(student) -> float:
        wanted, given = (model(input_ids=unseen).logits.log_softmax(-1) for model in (before, student))
        return (wanted.exp() * (wanted - given)).sum(-1).mean().item()

    free = drift(run(base, tmp_path).model)
    config = msgspec.structs.replace(CONFIG, replay_tokens=64, replay_every=1, replay_weight=10.0)
    assert drift(run(base, tmp_path, config, replay=[PLAIN]).model) < 0.7 * free


@pytest.mark.parametrize("replay", [(), (PLAIN, PLAIN[::-1])])
def test_a_stopped_run_continues_to_the_same_weights(base, tmp_path, replay) -> None:
    run = functools.partial(globals()["run"], replay=replay)
    whole = run(base, tmp_path)
    (tmp_path / "stopped").mkdir()
    ticks = []

    def stop() -> bool:
        return len(ticks) == 4

    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path / "stopped", report=ticks.append, stop=stop)
    resumed = run(base, tmp_path / "stopped", report=ticks.append)
    assert ticks[4].resumed_at == 4
    assert resumed.losses == whole.losses
    assert resumed.tokens == whole.tokens
    after, expected = weights(resumed), weights(whole)
    assert all(torch.equal(after[name], expected[name]) for name in expected)


@pytest.mark.parametrize("damage", ["another key", "half a file"])
def test_a_state_that_cannot_be_used_is_ignored(base, tmp_path, damage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, stop=lambda: True)
    state = tmp_path / "state.safetensors"
    if damage == "half a file":
        state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])
    ticks = []
    run(base, tmp_path, key="k" if damage == "half a file" else "another", report=ticks.append)
    assert ticks[0].step == 1


def test_only_the_topmost_layers_may_be_trained(base, tmp_path) -> None:
    config = R1Config(prompt_tokens=24, answer_tokens=16, trained_share=0.5, learning_rate=1e-2)
    before = dict(load_for_training(base).named_parameters())
    after = weights(run(base, tmp_path, config))
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    assert all(name.startswith(("model.layers.1.", "model.norm.")) for name in changed)


def test_every_step_has_one_shape() -> None:
    shapes = {(step.prompts.tokens_NL.shape, step.labels_NA.shape) for step in r1.plan(ROWS, CONFIG)}
    assert shapes == {((2, 24), (2, 16))}


def test_the_rate_rises_then_falls() -> None:
    rates = [r1.rate(step, 100, 0.1) for step in range(100)]
    assert rates[9] == max(rates) == 1.0
    assert 0 < rates[-1] < 0.02
    assert rates[0] == 0.1


def test_rows_that_never_fit_are_an_error() -> None:
    with pytest.raises(InputError, match="curate shorter windows"):
        r1.plan([Row([1] * 99, [2])], CONFIG)


def test_a_model_with_scaled_logits_is_refused(base, tmp_path) -> None:
    import json
    import shutil

    folder = tmp_path / "scaled"
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"logits_scaling": 8.0}))
    with pytest.raises(ModelError, match="logits_scaling"):
        run(folder, tmp_path)

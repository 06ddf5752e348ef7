"""Dataset in the store → checkpoint in the store → engine that answers: the whole of training on a tiny Llama."""

import contextlib
import json
import shutil
import sys
from datetime import UTC, datetime

import msgspec
import pytest

from golddiff.errors import InputError, ModelError, RightsError
from golddiff.models import read_manifest
from golddiff.models.folder import hash_weights
from golddiff.prompts import edit_messages
from golddiff.serve import open_local
from golddiff.store import Store
from golddiff.store.datasets import write_dataset
from golddiff.train import R1Config
from golddiff.types import Checkpoint, Clean, Dataset, Example, Message, Provenance, Verdict
from tiny_llama import write_model, write_tokenizer

torch = pytest.importorskip("torch")
pytest.importorskip("pyarrow")
torch.set_num_threads(1)

from golddiff.train.run import tokenize, train_checkpoint, train_checkpoints  # noqa: E402

CONFIG = R1Config(prompt_tokens=64, answer_tokens=32, learning_rate=1e-2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def example(number: int, *, permitted: bool = True) -> Example:
    return Example(
        id=f"example_{number}",
        kind="accepted",
        instruction=Clean("do it"),
        path="a.py",
        start_line=1,
        before=Clean(f"x = {number}\n"),
        after=Clean(f"y = {number}\n"),
        at=NOW,
        provenance=Provenance(written_by="human"),
        verdict=Verdict(use="train", permitted=permitted, reasons=("licence: permitted",), policy="1"),
        split="train",
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("tiny") / "model")


@contextlib.contextmanager
def opened(folder):
    """A workspace with two datasets, `ours` and `theirs`."""
    with Store.open(folder / "workspace") as store:
        for number, name, hashed in ((1, "ours", "abc"), (2, "theirs", "def")):
            dataset = Dataset(
                id=f"dataset_{number}",
                name=name,
                rows={"train": 20},
                dropped={},
                denied={},
                folder=f"datasets/dataset_{number}",
                content_hash=hashed,
                config={},
                created_at=NOW,
            )
            write_dataset(store, dataset, {"train": [example(number * row) for row in range(20)]}, "# card")
            store.put(dataset)
        yield store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("work")) as store:
        yield store


@pytest.fixture(scope="module")
def checkpoint(store, base):
    return train_checkpoint(store, "ours", base, CONFIG)


def test_the_checkpoint_says_where_it_comes_from(store, base, checkpoint) -> None:
    folder = store.root / checkpoint.folder
    manifest = read_manifest(folder)
    assert store.parents(checkpoint.id) == ["dataset_1"]
    assert store.get(Checkpoint, checkpoint.id) == checkpoint
    assert (manifest.dataset_hash, manifest.seed, manifest.recipe) == ("abc", 0, "r1")
    assert manifest.renderer.name == "blocks"
    assert manifest.config == msgspec.to_builtins(CONFIG)
    assert manifest.weights_hash == hash_weights(folder) != read_manifest(base).weights_hash
    assert len(json.loads((folder / "losses.json").read_text())["losses"]) > 0


def test_the_same_call_again_trains_nothing(store, base, checkpoint) -> None:
    ticks: list[object] = []
    assert train_checkpoint(store, "ours", base, CONFIG, report=ticks.append) == checkpoint
    assert ticks == []
    assert list(store.root.glob("training/*")) == []


def test_an_interrupted_call_leaves_no_checkpoint_and_continues(store, base) -> None:
    config = msgspec.structs.replace(CONFIG, seed=7)
    with pytest.raises(KeyboardInterrupt):
        train_checkpoint(store, "ours", base, config, stop=lambda: True)
    assert store.count(Checkpoint) == 1
    ticks: list[object] = []
    train_checkpoint(store, "ours", base, config, report=ticks.append)
    assert ticks[0].step == 2  # type: ignore[attr-defined]


def test_students_that_learn_side_by_side_become_what_they_become_alone(base, tmp_path) -> None:
    with opened(tmp_path / "together") as store:
        ticks = set()
        names = {"one": "ours", "two": "theirs"}
        together = train_checkpoints(store, names, base, CONFIG, report=lambda name, tick: ticks.add((name, tick.step)))
        assert {name for name, _ in ticks} == {"one", "two"}
        assert list(store.root.glob("training/*")) == []
    with opened(tmp_path / "alone") as store:
        alone = {name: train_checkpoint(store, dataset, base, CONFIG) for name, dataset in names.items()}
    weights = [{name: one.weights_hash for name, one in made.items()} for made in (together, alone)]
    assert weights[0] == weights[1]
    assert weights[0]["one"] != weights[0]["two"]


def test_two_names_for_the_same_rows_are_refused(store, base) -> None:
    config = msgspec.structs.replace(CONFIG, seed=9)
    with pytest.raises(InputError, match="same rows"):
        train_checkpoints(store, {"one": "ours", "two": "ours"}, base, config)


def test_where_one_of_two_fails_the_other_saves_its_state(base, tmp_path) -> None:
    def report(name: str, tick) -> None:
        if name == "two":
            raise OSError("no more of it")

    with opened(tmp_path) as store:
        with pytest.raises(OSError, match="no more of it"):
            train_checkpoints(
                store, {"one": "ours", "two": "theirs"}, base, msgspec.structs.replace(CONFIG, epochs=30), report=report
            )
        assert len(list(store.root.glob("training/*/state.safetensors"))) == 1


def test_the_engine_answers_as_the_trained_model_does(store, checkpoint, tmp_path) -> None:
    from golddiff.models.load import load_for_training

    folder = store.root / checkpoint.folder
    student = open_local(folder, tmp_path, threads=1)
    conversation = edit_messages(example(3))
    (answer,) = student.complete([conversation], max_tokens=8)
    assert answer.finish_reason in ("stop", "length")
    streamed = student.renderer.text(list(student.engine.stream(student.prompt(conversation), 8)))
    assert streamed == answer.text
    ((nll, count),) = student.loglikelihood([(conversation, "y = 3")])
    tokens = student.renderer.prompt(conversation) + student.renderer.answer("y = 3")[:-1]
    logits = load_for_training(folder).eval()(torch.tensor([tokens])).logits[0, -count - 1 : -1]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(tokens[-count:]), reduction="sum").item()
    assert count == 5
    assert nll == pytest.approx(expected, rel=1e-4)


def test_a_document_without_a_conversation_has_a_likelihood(store, checkpoint, tmp_path) -> None:
    student = open_local(store.root / checkpoint.folder, tmp_path, threads=1)
    ((nll, count),) = student.loglikelihood([((), "x = 1\n")])
    assert nll > 0
    assert count == 6


def test_an_engine_needs_neither_weights_nor_torch_once_it_is_made(store, checkpoint, tmp_path) -> None:
    from golddiff.models.export import engine_folder, is_engine

    engine = engine_folder(store.root / checkpoint.folder, tmp_path)
    assert is_engine(engine)
    assert engine_folder(engine, tmp_path / "other") == engine
    assert not list(engine.glob("*.safetensors"))
    student = open_local(engine, tmp_path / "other", threads=1)
    assert student.complete([(Message("user", "hi"),)], 2)[0].completion_tokens <= 2


def test_a_row_that_may_not_be_trained_on_stops_the_run(base) -> None:
    from golddiff.models import choose_spec, load_renderer

    with pytest.raises(RightsError, match="example_1"):
        tokenize([example(1, permitted=False)], load_renderer(base, choose_spec(base, "blocks")))


def test_a_base_without_a_chat_template_learns_blocks(store, base, tmp_path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(base, plain)
    write_tokenizer(plain, template=None)
    config = msgspec.structs.replace(CONFIG, max_rows=2)
    made = train_checkpoint(store, "ours", plain, config)
    assert read_manifest(store.root / made.folder).renderer.name == "blocks"


def test_without_torch_the_extra_to_install_is_named(store, base, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"golddiff\[train\]"):
        train_checkpoint(store, "ours", base, CONFIG)

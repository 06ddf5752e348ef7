"""Dataset in the store → checkpoint in the store: everything around the recipe's loop.

The checkpoint's folder holds `model.safetensors`, `config.json`, the tokenizer, `manifest.json` and `losses.json`; it
appears under its name only when all of it is written, and its record descends from the dataset. The same call again
finds the finished checkpoint, or continues where the last one stopped.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from golddiff import __version__
from golddiff.errors import InputError, ModelError, RightsError, WorkspaceError
from golddiff.models.folder import MANIFEST, Manifest, hash_weights, put_in_place, read_manifest, write_atomically
from golddiff.models.load import save_weights
from golddiff.models.renderer import Renderer, RendererSpec, choose_spec, load_renderer
from golddiff.prompts import edit_messages, update_text
from golddiff.store import Store
from golddiff.store.datasets import find_dataset, read_dataset
from golddiff.train import r1
from golddiff.train.config import R1Config
from golddiff.train.packing import Row
from golddiff.train.replay import conversations, drill_conversations, plain_text
from golddiff.types import Checkpoint, Dataset, Example, derive_id

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
RECIPE = "r1"


@dataclass(frozen=True)
class _Job:
    """A training with all that shapes it."""

    dataset: Dataset
    key: str
    rows: list[Row]
    replay: list[list[int]]


def train_checkpoint(
    store: Store,
    dataset_name: str,
    base: Path,
    config: R1Config,
    *,
    report: Callable[[r1.Tick], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train the model in `base` on the `train` split and return the recorded checkpoint.

    Raises:
        InputError: there is no such dataset, or it has no row that can be trained on.
        RightsError: a row may not be trained on.
        ModelError: the base cannot be trained.
        KeyboardInterrupt: `stop` turned true; the state is saved.
    """
    job = _prepare(store, dataset_name, base, config, say)
    if isinstance(job, Checkpoint):
        return job
    return _write(store, job, base, config, _fit(store, job, base, config, report, stop))


def train_checkpoints(
    store: Store,
    datasets: Mapping[str, str],
    base: Path,
    config: R1Config,
    *,
    report: Callable[[str, r1.Tick], None] = lambda _, __: None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Checkpoint]:
    """Train one student per dataset, side by side, and return the checkpoints under the names of `datasets`.

    Small products gain little from a second thread, so on a CPU as many students as there are cores learn at a time
    (LOG.md, 2026-11-22), each with a model of its own in memory; `report` is called from their threads. Which learn
    together follows from `datasets` alone, so a continued run ends with the same weights.

    Raises what `train_checkpoint` raises, when all of those that learn together have saved their state; and
    `InputError` for two datasets of the same rows.
    """
    job_of = {name: _prepare(store, dataset, base, config, say) for name, dataset in datasets.items()}
    keys = [job.key for job in job_of.values() if isinstance(job, _Job)]
    if len(set(keys)) < len(keys):
        raise InputError(f"{' and '.join(datasets)} have datasets of the same rows: one training is enough for them.")
    import torch

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    together = 1 if torch.cuda.is_available() else cores
    made: dict[str, Checkpoint] = {}
    names = list(datasets)
    stopping = threading.Event()
    for wave in (names[start : start + together] for start in range(0, len(names), together)):

        def fit(name: str, job: _Job, share: int = max(1, cores // len(wave))) -> r1.Result:
            torch.set_num_threads(share)
            try:
                return _fit(store, job, base, config, lambda tick: report(name, tick), stopping.is_set)
            except BaseException:
                stopping.set()
                raise

        with ThreadPoolExecutor(len(wave)) as pool:
            fitted = {name: pool.submit(fit, name, job) for name in wave if isinstance(job := job_of[name], _Job)}
            try:
                wait(fitted.values())
            except KeyboardInterrupt:
                say("stopping after this step; the state will be saved")
                stopping.set()
                raise
        torch.set_num_threads(threads)
        if failed := [error for one in fitted.values() if (error := one.exception())]:
            raise min(failed, key=lambda error: isinstance(error, KeyboardInterrupt))  # the cause, not who was stopped
        for name in wave:
            job = job_of[name]
            made[name] = job if isinstance(job, Checkpoint) else _write(store, job, base, config, fitted[name].result())
    return made


def tokenize(examples: Iterable[Example], renderer: Renderer) -> list[Row]:
    """Turn examples into rows of tokens. Raises `RightsError` for one that may not be trained on."""
    rows = []
    for example in examples:
        if example.verdict is None or not example.verdict.permitted or example.verdict.use != "train":
            raise RightsError(
                f"row {example.id} may not be trained on. Build the dataset again with `golddiff curate`."
            )
        rows.append(Row(renderer.prompt(edit_messages(example)), renderer.answer(update_text(example))))
    if not rows:
        raise InputError("the dataset has no training rows. See why with `golddiff show` on its id.")
    return rows


def _prepare(
    store: Store, dataset_name: str, base: Path, config: R1Config, say: Callable[[str], None]
) -> _Job | Checkpoint:
    """Everything before the first step; the checkpoint where this very training is done."""
    dataset = find_dataset(store, dataset_name)
    origin = read_manifest(base, renderer=config.renderer)  # a base without a chat template can learn blocks
    spec = choose_spec(base, config.renderer)
    key = _key(dataset, origin, config)
    for finished in store.find(Checkpoint, id=derive_id("checkpoint", key)):
        if (store.files(finished.folder) / MANIFEST).is_file():
            say(f"{finished.id} was trained by exactly this call before")
            return finished

    examples, renderer = list(read_dataset(store, dataset.id, "train")), load_renderer(base, spec)
    rows = tokenize(examples, renderer)
    fitting = sum(row.fits(config.prompt_tokens, config.answer_tokens) for row in rows)
    say(f"{fitting} rows of dataset {dataset.name}; {len(rows) - fitting} are too long and left out")
    replay = [plain_text(examples, renderer)]
    if chat := _chat_beside(base, spec):
        replay += [conversations(examples, chat, config.seed), drill_conversations(examples, chat, config.seed)]
    return _Job(dataset, key, rows, [stream for stream in replay if stream])


def _fit(
    store: Store,
    job: _Job,
    base: Path,
    config: R1Config,
    report: Callable[[r1.Tick], None],
    stop: Callable[[], bool],
) -> r1.Result:
    work = store.folder("training", job.key)
    return r1.train(job.rows, base, config, replay=job.replay, key=job.key, state_folder=work, report=report, stop=stop)


def _chat_beside(base: Path, spec: RendererSpec) -> Renderer | None:
    """The base's chat template, where the student learns another form and could forget this one."""
    if spec.name == "chat":
        return None
    try:
        return load_renderer(base, choose_spec(base, "chat"))
    except ModelError:
        return None  # a base without a chat template


def _key(dataset: Dataset, origin: Manifest, config: R1Config) -> str:
    """Name of everything that shapes the weights: rows, base, settings, versions."""
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[train]'") from missing
    settings = msgspec.json.encode(msgspec.structs.replace(config, save_every_sec=0.0))
    return derive_id("run", dataset.content_hash, origin.weights_hash, settings, __version__, torch.__version__)


def _write(store: Store, job: _Job, base: Path, config: R1Config, result: r1.Result) -> Checkpoint:
    dataset, key = job.dataset, job.key
    origin, spec = read_manifest(base, renderer=config.renderer), choose_spec(base, config.renderer)
    checkpoint_id = derive_id("checkpoint", key)
    final = store.folder("checkpoints") / checkpoint_id
    made = final.with_name(f".{checkpoint_id}.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        save_weights(result.model, made)
    except Exception as error:  # safetensors has its own exception for a full disk
        shutil.rmtree(made, ignore_errors=True)
        raise WorkspaceError(f"cannot write the checkpoint to {final} ({error}): free space and run again.") from error
    for name in _TOKENIZER_FILES:
        if (base / name).is_file():
            shutil.copyfile(base / name, made / name)
    curve = {"unit": "nats per answer token, one value per step", "losses": result.losses, "seconds": result.seconds}
    write_atomically(made / "losses.json", msgspec.json.encode(curve))
    manifest = Manifest(
        name=checkpoint_id,
        base_model=origin.base_model,
        base_licence=origin.base_licence,
        renderer=spec,
        weights_hash=hash_weights(made),
        context_tokens=origin.context_tokens,
        note=f"trained from: {origin.note}" if origin.note else "",
        recipe=RECIPE,
        config=msgspec.to_builtins(config),
        dataset_id=dataset.id,
        dataset_hash=dataset.content_hash,
        seed=config.seed,
        code_version=code_version(),
        trained_tokens=result.tokens,
    )
    write_atomically(made / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    shutil.rmtree(final, ignore_errors=True)
    put_in_place(made, final)
    tail = result.losses[-max(1, len(result.losses) // 10) :]
    checkpoint = Checkpoint(
        id=checkpoint_id,
        base_model=origin.base_model,
        base_licence=origin.base_licence,
        dataset_id=dataset.id,
        recipe=RECIPE,
        config=msgspec.to_builtins(config),
        seed=config.seed,
        code_version=code_version(),
        folder=str(final.relative_to(store.root)),
        weights_hash=manifest.weights_hash,
        trained_tokens=result.tokens,
        final_loss=sum(tail) / len(tail),
        created_at=datetime.now(UTC),
    )
    store.put(checkpoint, parents=[dataset.id, *([origin.name] if origin.recipe else [])])
    shutil.rmtree(store.folder("training", key), ignore_errors=True)
    return checkpoint


def code_version() -> str:
    """golddiff's version, with the git commit where it runs from a checkout."""
    head = Path(__file__).parents[3] / ".git" / "HEAD"
    try:
        text = head.read_text("ascii").strip()
        if text.startswith("ref: "):
            text = (head.parent / text.removeprefix("ref: ")).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return __version__
    return f"{__version__}+g{text[:12]}"

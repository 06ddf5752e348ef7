"""A model on disk: a folder in Hugging Face layout, with our `manifest.json` where we made it. No torch.

The manifest is what serving needs to know and lineage wants to keep: base model and licence, dataset hash, code
version, seed, renderer, recipe. A folder without one is somebody else's model and gets the `chat` renderer.

Only safetensors are read, and code in a model folder is never run.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path

import msgspec

from golddiff.errors import ModelError
from golddiff.models.renderer import RendererSpec, choose_spec

MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` of a folder made by golddiff holds."""

    name: str
    """Checkpoint id, or the model's name in the catalogue."""
    base_model: str
    """What the weights come from."""
    base_licence: str | None
    """SPDX id; None where nobody stated it."""
    renderer: RendererSpec
    """How conversations become tokens."""
    weights_hash: str
    """SHA-256 of `model.safetensors`."""
    context_tokens: int = 0
    """Longest sequence the model was made for; 0 where unknown."""
    note: str = ""
    """What people should know about these weights."""
    recipe: str | None = None
    """Recipe that trained them; None for a base model."""
    config: dict[str, str | int | float | bool | None] = {}
    """Settings of the recipe, as used."""
    dataset_id: str | None = None
    """Dataset that they were trained on."""
    dataset_hash: str | None = None
    """Content hash of that dataset."""
    seed: int | None = None
    """Seed of the training."""
    code_version: str | None = None
    """golddiff's version that wrote the folder."""
    trained_tokens: int = 0
    """Tokens seen in training, padding not counted."""


def read_manifest(folder: Path, *, renderer: str = "chat") -> Manifest:
    """Return the folder's manifest, or one for a plain Hugging Face folder, which then has the renderer named.

    Raises:
        ModelError: the folder holds no usable model.
    """
    check_folder(folder)
    if (folder / MANIFEST).is_file():
        return read_engine_manifest(folder)
    return Manifest(
        name=folder.name,
        base_model=str(folder),
        base_licence=None,
        renderer=choose_spec(folder, renderer),
        weights_hash=hash_weights(folder),
        context_tokens=context_tokens(folder),
    )


def read_engine_manifest(folder: Path) -> Manifest:
    """Return the manifest of a folder that must have one. Raises `ModelError` where it is missing or damaged."""
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}. Train, export or fetch the model again.") from error


def context_tokens(folder: Path) -> int:
    """Return the longest sequence that the model's `config.json` names, 0 where it names none."""
    try:
        value = json.loads((folder / "config.json").read_text("utf-8")).get("max_position_embeddings")
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{folder / 'config.json'} is damaged: {error}. Fetch the model again.") from error
    return value if isinstance(value, int) else 0


def check_folder(folder: Path) -> None:
    """Raise `ModelError` unless the folder looks like a model in safetensors."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder. Give a checkpoint id, a model's name, or a local model folder.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json: it is not a model folder in Hugging Face layout.")
    if not (folder / WEIGHTS).is_file() and not (folder / f"{WEIGHTS}.index.json").is_file():
        raise ModelError(
            f"{folder} has no {WEIGHTS}. Only safetensors are read: other formats can run code on loading."
        )


def hash_weights(folder: Path) -> str:
    """SHA-256 over the folder's safetensors files, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, durably: after a crash there is the old file or the new one, never half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)  # mkstemp is private by default; models may be shared
            file.write(data)
        put_in_place(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def put_in_place(made: Path, final: Path) -> None:
    """Rename a file or folder to its final name once all of it is on the disk, and make the new name durable.

    A name must never be durable before what it names: a power cut would leave a model that looks finished and is not.
    Raises OSError, also where `final` is a folder that is not empty; `made` then stays.
    """
    inside = [made, *made.rglob("*")] if made.is_dir() else [made]
    for path in reversed(inside):  # what a folder holds, then the folder
        _sync(path)
    os.replace(made, final)
    _sync(final.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

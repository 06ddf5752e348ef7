"""Model folder → engine folder: CTranslate2 weights in float32 plus what serving needs. Needs torch once.

An engine folder is self-contained (weights, tokenizer, manifest): a machine that serves it needs `golddiff[serve]`
and neither torch nor transformers. Engines are cached under the hash of the manifest they were made from, which holds
that of the weights and the form of conversations. They appear by a rename, so an interrupted export leaves nothing that
looks finished; those long unused are deleted.

Why float32 and not 8-bit integers: of 90 held-out edits a 135M student in int8 got 35 right and in float32 50, and half
of its answers differed; on a processor with AVX2 int8 was not even faster (33 against 46 tokens/s, busy machine).
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from golddiff.errors import ModelError
from golddiff.models.folder import MANIFEST, put_in_place, read_manifest, write_atomically

QUANTIZATION = "float32"
KEPT = 8
"""Engines that stay in the cache however long nobody asked them."""
UNUSED_SEC = 24 * 3600.0
"""Any others stay this long after they were last opened."""
_ENGINE_WEIGHTS = "model.bin"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def is_engine(folder: Path) -> bool:
    """Whether `folder` is an engine folder that can be served as it is."""
    return (folder / _ENGINE_WEIGHTS).is_file() and (folder / MANIFEST).is_file()


def engine_folder(model: Path, cache: Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the engine of the model in `model`, converting it where the cache does not hold it yet.

    Raises:
        ModelError: torch is needed and missing, or the architecture cannot be converted.
    """
    if is_engine(model):
        return model
    manifest = read_manifest(model)
    written = msgspec.json.encode(manifest)
    target = cache / "engines" / f"{sha256(written).hexdigest()[:24]}-{QUANTIZATION}"
    if is_engine(target):
        target.touch()
        return target
    say(f"converting {manifest.name} for serving ({QUANTIZATION})")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".engine.") as temporary:
        made = Path(temporary) / "engine"
        _convert(model, made)
        for name in _TOKENIZER_FILES:
            if (model / name).is_file():
                shutil.copyfile(model / name, made / name)
        write_atomically(made / MANIFEST, msgspec.json.format(written))
        try:
            put_in_place(made, target)
        except OSError:
            if not is_engine(target):  # else another process was first: its engine is the same
                raise
    _forget_old_engines(target.parent)
    return target


def _forget_old_engines(engines: Path) -> None:
    """Every checkpoint that was ever asked leaves an engine as large as itself; one that is wanted again is remade."""
    made = sorted((folder.stat().st_mtime, folder) for folder in engines.iterdir() if is_engine(folder))
    for used, folder in made[:-KEPT]:
        if used < time.time() - UNUSED_SEC:
            shutil.rmtree(folder, ignore_errors=True)


def _convert(model: Path, into: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ctranslate2 imports pkg_resources, transformers talks about dtypes
            # The converter imports without these two and then fails with a NameError.
            import torch  # noqa: F401
            import transformers  # noqa: F401
            from ctranslate2.converters import TransformersConverter

            converter = TransformersConverter(str(model), low_cpu_mem_usage=True)
            with contextlib.redirect_stderr(io.StringIO()):
                converter.convert(str(into), quantization=QUANTIZATION)
    except ModuleNotFoundError as missing:
        raise ModelError(
            f"{missing.name} is not installed, and converting a model for serving needs it once. Run: "
            "pip install 'golddiff[train]', or serve an engine folder made by `golddiff model export`."
        ) from missing
    except Exception as error:  # safetensors and the converter have exceptions of their own
        raise ModelError(f"{model} cannot be converted for the serving engine: {error}.") from error

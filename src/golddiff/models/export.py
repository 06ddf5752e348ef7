"""Model folder → engine folder: CTranslate2 weights in float32 plus what serving needs. Needs torch once.

An engine folder is self-contained (weights, tokenizer, manifest): a machine that serves it needs `golddiff[serve]`
and neither torch nor transformers. Engines are cached under the hash of the weights they were made from, and appear
by a rename, so an interrupted export leaves nothing that looks finished.

Why float32 and not 8-bit integers: of 90 held-out edits a 135M student in int8 got 35 right and in float32 50, and half
of its answers differed; on a processor with AVX2 int8 was not even faster (33 against 46 tokens/s, busy machine).
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from golddiff.errors import ModelError
from golddiff.models.folder import MANIFEST, put_in_place, read_manifest, write_atomically

QUANTIZATION = "float32"
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
    target = cache / "engines" / f"{manifest.weights_hash[:24]}-{manifest.renderer.name}-{QUANTIZATION}"
    if is_engine(target):
        return target
    say(f"converting {manifest.name} for serving ({QUANTIZATION})")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".engine.") as temporary:
        made = Path(temporary) / "engine"
        _convert(model, made)
        for name in _TOKENIZER_FILES:
            if (model / name).is_file():
                shutil.copyfile(model / name, made / name)
        import msgspec

        write_atomically(made / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        try:
            put_in_place(made, target)
        except OSError:
            if not is_engine(target):  # else another process was first: its engine is the same
                raise
    return target


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

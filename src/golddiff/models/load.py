"""Weights for training: any causal language model in a folder, as float32, on the device that is there. Needs torch."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golddiff.errors import ModelError
from golddiff.models.folder import check_folder

if TYPE_CHECKING:
    import torch


_LOADING = threading.Lock()
"""Students may be trained side by side: a first import is not for two threads, and stderr is the whole process's."""


def load_for_training(folder: Path, device: torch.device | str = "cpu") -> Any:
    """Return the model in `folder` with float32 weights, in training mode, without its generation cache.

    Safetensors only, and code in the folder is never run.

    Raises:
        ModelError: torch is missing, or the folder holds no causal language model that transformers knows.
    """
    check_folder(folder)
    with _LOADING:
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForCausalLM
        except ModuleNotFoundError as missing:
            raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[train]'") from missing
        try:
            with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # its progress bar
                warnings.simplefilter("ignore")
                model = AutoModelForCausalLM.from_pretrained(
                    str(folder),
                    dtype=torch.float32,
                    use_safetensors=True,
                    trust_remote_code=False,
                    local_files_only=True,
                )
        except (ValueError, KeyError, OSError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"the model in {folder} cannot be loaded for training: {error}") from error
    model.config.use_cache = False
    return model.to(device).train()


def save_weights(model: Any, folder: Path) -> None:
    """Write config and safetensors of a trained model into `folder`."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        model.save_pretrained(str(folder), safe_serialization=True, max_shard_size="100GB")

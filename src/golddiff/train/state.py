"""State of an unfinished training: saved atomically, so a run that was killed continues as if it had not been.

One safetensors file holds the trained weights and both AdamW moments, and as metadata the step, the losses and a key
over everything that shapes the result. A state with another key is not ours and is ignored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golddiff.errors import WorkspaceError
from golddiff.models.folder import put_in_place

if TYPE_CHECKING:
    import torch

FILE_NAME = "state.safetensors"


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    step: int
    """Steps done."""
    losses: list[float]
    """Mean loss of every step so far, nats per completion token."""
    tokens: int
    """Tokens seen, padding not counted."""
    seconds: float
    """Time spent in steps, over all sittings."""


def save_state(
    folder: Path, key: str, progress: Progress, parameters: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Replace the saved state. Raises `WorkspaceError` where the disk refuses; the older state then remains."""
    from safetensors.torch import save_file

    tensors = {f"weight/{name}": value.detach() for name, value in parameters.items()}
    for name, value in parameters.items():
        moments = optimizer.state[value]
        tensors |= {f"{moment}/{name}": moments[moment] for moment in ("exp_avg", "exp_avg_sq", "step")}
    facts = {"step": progress.step, "losses": progress.losses, "tokens": progress.tokens, "seconds": progress.seconds}
    partial = folder / f".{FILE_NAME}.partial"
    try:
        save_file(tensors, partial, metadata={"key": key, "progress": json.dumps(facts)})
        put_in_place(partial, folder / FILE_NAME)
    except Exception as error:  # safetensors has its own exception for a full disk
        partial.unlink(missing_ok=True)
        raise WorkspaceError(f"cannot save the state of the training in {folder} ({error}): free space.") from error


def load_state(
    folder: Path, key: str, parameters: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> Progress | None:
    """Put a saved state with this key into weights and optimizer; None where there is none that can be used."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / FILE_NAME, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            facts: dict[str, Any] = json.loads(metadata["progress"])
            with torch.no_grad():
                for name, value in parameters.items():
                    value.copy_(file.get_tensor(f"weight/{name}"))
                    optimizer.state[value] = {  # fused AdamW wants its step beside the weights too
                        moment: file.get_tensor(f"{moment}/{name}").to(value.device)
                        for moment in ("step", "exp_avg", "exp_avg_sq")
                    }
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return Progress(**facts)

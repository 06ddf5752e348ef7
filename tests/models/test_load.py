"""A model that cannot be loaded is a message."""

import pytest

from golddiff.errors import ModelError
from golddiff.models.load import load_for_training
from tiny_llama import write_model

pytest.importorskip("torch")


@pytest.mark.parametrize("weights", [b"", b"no safetensors, " * 20])
def test_damaged_weights_are_a_model_error(tmp_path, weights) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ModelError, match="cannot be loaded for training"):
        load_for_training(folder)

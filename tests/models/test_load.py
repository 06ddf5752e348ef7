"""A model that cannot be loaded is a message."""

import subprocess
import sys

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


TWICE = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from golddiff.models.load import load_for_training
with ThreadPoolExecutor(2) as pool:
    assert len(list(pool.map(load_for_training, [Path(sys.argv[1])] * 2))) == 2
"""


def test_the_first_two_models_of_a_process_may_be_loaded_at_the_same_time(tmp_path) -> None:
    folder = write_model(tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", TWICE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""A model that cannot be loaded is a message."""

import json
import os
import pickle
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


class Marks:
    """Unpickled, it leaves a mark."""

    def __init__(self, place) -> None:
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("known", [True, False])
def test_nothing_in_a_hostile_model_folder_ever_runs(tmp_path, known) -> None:
    folder, mark = write_model(tmp_path / "model"), tmp_path / "ran"
    for name in ("pytorch_model.bin", "model.pth", "model.pt", "training_args.bin", "optimizer.pt", "model.bin.7z"):
        (folder / name).write_bytes(pickle.dumps(Marks(mark)))
    for name in ("tokenizer.py", "evil.py", "modeling_llama.py", "setup.py", "sitecustomize.py", "__init__.py"):
        (folder / name).write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    (folder / "evil.pth").write_text(f"import os; os.mkdir({str(mark)!r})\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModelForCausalLM", "AutoTokenizer"), "evil.Evil")
    config |= {} if known else {"model_type": "evil", "architectures": ["Evil"]}
    (folder / "config.json").write_text(json.dumps(config))
    if known:
        load_for_training(folder)  # as the llama that it says it is, from its safetensors
        (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="Only safetensors" if known else "cannot be loaded"):
        load_for_training(folder)
    assert not mark.exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())  # armed: without this it could be a dud
    assert mark.exists()

"""A model that cannot be converted is a message, whatever the libraries below raise."""

import builtins
import os
import time

import msgspec
import pytest

from golddiff.errors import ModelError
from golddiff.models.export import engine_folder
from golddiff.models.folder import MANIFEST, read_engine_manifest, read_manifest
from tiny_llama import write_model

pytest.importorskip("torch")
pytest.importorskip("ctranslate2")


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def test_damaged_weights_are_a_model_error(model, tmp_path) -> None:
    (model / "model.safetensors").write_bytes(b"no safetensors, " * 20)
    with pytest.raises(ModelError, match="cannot be converted"):
        engine_folder(model, tmp_path / "cache")


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_a_missing_library_names_the_extra_to_install(model, tmp_path, monkeypatch, missing) -> None:
    real = builtins.__import__

    def refuse(name, *more, **named):
        if name == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ModelError, match=rf"{missing} is not installed.*golddiff\[train\]"):
        engine_folder(model, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "engines").iterdir())


def test_weights_that_are_asked_in_another_form_are_another_engine(model, tmp_path) -> None:
    cache, manifest = tmp_path / "cache", read_manifest(model, renderer="blocks")
    opened = []
    for otherwise in ("", "chat"):
        spec = msgspec.structs.replace(manifest.renderer, otherwise=otherwise)
        (model / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, renderer=spec)))
        opened.append(read_engine_manifest(engine_folder(model, cache)).renderer.otherwise)
    assert opened == ["", "chat"]


def test_engines_that_nobody_opened_for_a_day_make_room_but_for_the_last_ones(model, tmp_path) -> None:
    engines = tmp_path / "cache" / "engines"
    for age_hours in range(1, 40):
        folder = engines / f"{age_hours}h"
        folder.mkdir(parents=True)
        for name in ("model.bin", MANIFEST):
            (folder / name).touch()
        used = time.time() - 3600 * age_hours
        os.utime(folder, (used, used))
    made = engine_folder(model, tmp_path / "cache")
    left = {folder.name for folder in engines.iterdir()}
    assert left == {made.name} | {f"{hours}h" for hours in range(1, 24)}
    os.utime(made, (0, 0))
    assert engine_folder(model, tmp_path / "cache") == made
    assert made.stat().st_mtime > time.time() - 60

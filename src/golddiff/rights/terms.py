"""What provider terms say about training on a model's output: the data file `terms.toml`, looked up by model name.

Default deny: a model that no family matches, or no model name at all, is `unknown`. Where provider and model are both
recorded and belong to different providers (an open-weight model behind a closed service), the stricter one decides.
Our reading of the terms, not legal advice; each family names its source and how we know.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

import msgspec

_STRICTEST_FIRST = ("forbidden", "unknown", "open-weight", "allowed")


class Training(StrEnum):
    """What the terms say about training on outputs."""

    ALLOWED = "allowed"
    OPEN_WEIGHT = "open-weight"  # weights under a free licence without a clause on outputs
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"  # not read, unclear, or under conditions that we cannot check: denied


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where we read it."""

    title: str
    url: str
    as_of: str
    """Date of the text we read, or on which we recalled it."""
    read: str
    """`stored copy`, `secondary` or `recalled`."""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Models of one provider under the same terms."""

    models: tuple[str, ...]
    training: Training
    says: str
    source: Source
    licence: str | None = None


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider and its families, the most specific first."""

    name: str
    title: str
    family: tuple[Family, ...]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole data file."""

    version: str
    """Date on which the file was last reviewed."""
    provider: tuple[Provider, ...]


class Reading(msgspec.Struct, frozen=True):
    """What the terms say about one model."""

    provider: str | None
    training: Training
    says: str
    source: Source | None = None


@cache
def load() -> Terms:
    """Read the data file that ships with the package."""
    text = resources.files("golddiff.rights").joinpath("terms.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Terms)


def lookup(model: str | None, provider: str | None = None) -> Reading:
    """Return what the terms say about output of `model`, called through `provider` where that is recorded."""
    by_model = _by_model(model) if model else None
    by_provider = _by_provider(provider, model) if provider else None
    found = [reading for reading in (by_provider, by_model) if reading is not None]
    if not found:
        return Reading(provider, Training.UNKNOWN, f"no terms on file for {model or provider or 'an unnamed model'}")
    return min(found, key=lambda reading: _STRICTEST_FIRST.index(reading.training))


def _by_model(model: str) -> Reading | None:
    for provider in load().provider:
        for family in provider.family:
            if _matches(family, model):
                return _reading(provider, family)
    return None


def _by_provider(name: str, model: str | None) -> Reading:
    """A provider that is on file decides by its own families; what it serves beside them is unknown."""
    for provider in load().provider:
        if provider.name == name.lower():
            for family in provider.family:
                if model and _matches(family, model):
                    return _reading(provider, family)
            return Reading(name, Training.UNKNOWN, f"no terms on file for {model or 'an unnamed model'} at {name}")
    return Reading(name, Training.UNKNOWN, f"no terms on file for the provider {name}")


def _matches(family: Family, model: str) -> bool:
    lowered = model.lower()
    last = lowered.rsplit("/", 1)[-1]
    names = {lowered, last, last.rsplit(".", 1)[-1] if "anthropic." in last else last}
    return any(fnmatchcase(name, pattern) for name in names for pattern in family.models)


def _reading(provider: Provider, family: Family) -> Reading:
    return Reading(provider.name, family.training, family.says, family.source)

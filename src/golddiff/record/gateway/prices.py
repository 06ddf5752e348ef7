"""What a token costs: the data file `prices.toml`, looked up by model name, for budgets in money.

List prices of the providers' own services as we read them on a date; contracts, batch, regional and "fast" rates are
not in it. An operator's own `prices.toml` in the gateway's folder has the same form and goes first. A model that no
family matches has no price: it is never taken for free (`limits` says what happens then).

Money is counted in whole nanodollars (10^-9 US dollars), so that sums are exact.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path

import msgspec

from golddiff.errors import ConfigError
from golddiff.types import Usage

FILE_NAME = "prices.toml"
NANODOLLARS = 1_000_000_000
"""In one US dollar."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """US dollars per million tokens."""

    input: float
    """Prompt tokens that no cache served."""
    output: float
    """Generated tokens, reasoning included."""
    cache_read: float | None = None
    """Prompt tokens from the provider's cache; None: as `input`."""
    cache_write: float | None = None
    """Prompt tokens written to the provider's cache; None: as `input`."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            most = 1e9 if name == "over" else 1e6
            if value is not None and not 0 <= value <= most:
                raise ValueError(f"{name} is {value}; allowed: 0 to {most:,.0f}")

    def cost(self, usage: Usage) -> int:
        """Return nanodollars."""
        read = self.input if self.cache_read is None else self.cache_read
        write = self.input if self.cache_write is None else self.cache_write
        return round(
            1000
            * (
                usage.input_tokens * self.input
                + usage.output_tokens * self.output
                + usage.cache_read_tokens * read
                + usage.cache_write_tokens * write
            )
        )


class LongPrompt(Rates, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rates of a whole request whose prompt, caches included, is longer than `over` tokens."""

    over: int


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Models of one provider at one price."""

    models: tuple[str, ...]
    """Shell patterns on the lower-case model name; dated versions included."""
    rates: Rates
    long_prompt: LongPrompt | None = None

    def most(self, prompt: int, answer: int) -> int:
        """Return the nanodollars that a call with so many tokens may cost: nothing of its prompt is in a cache yet."""
        rates = self.long_prompt if self.long_prompt is not None and prompt > self.long_prompt.over else self.rates
        write = rates.cache_write
        return round(
            1000 * (prompt * (rates.input if write is None else max(rates.input, write)) + answer * rates.output)
        )

    def cost(self, usage: Usage) -> int:
        """Return nanodollars for one call."""
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        longer = self.long_prompt is not None and prompt > self.long_prompt.over
        return (self.long_prompt if longer and self.long_prompt else self.rates).cost(usage)


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where we read it."""

    title: str
    url: str
    as_of: str
    """Date of the text we read."""
    read: str
    """`stored copy` (the text itself), `secondary` (someone else's account of it) or `contract` (an operator's own)."""


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider and its families, the most specific first."""

    name: str
    source: Source
    family: tuple[Family, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    """Date on which the file was last reviewed."""
    provider: tuple[Provider, ...]


class PriceList:
    """Prices by model name."""

    def __init__(self, providers: tuple[Provider, ...], *, own: tuple[Provider, ...] = ()) -> None:
        """`own` are the operator's, which go first."""
        self.providers, self.own = own + providers, own
        self._found: dict[str, Family | None] = {}

    def lookup(self, model: str | None) -> Family | None:
        """Return the family of a model, or None where no price is on file.

        A host prefix is left out (`anthropic/claude-x` and `us.anthropic.claude-x` are looked up as `claude-x` too):
        what a reseller charges may differ, and its own entry in the operator's file goes first.
        """
        if model is None:
            return None
        if model in self._found:
            return self._found[model]
        found = self._search(model)
        if len(self._found) < 1000:  # callers choose model names: remember no more than that
            self._found[model] = found
        return found

    def _search(self, model: str) -> Family | None:
        lowered = model.lower()[:200]
        last = lowered.rsplit("/", 1)[-1]
        names = (lowered, last, last.rsplit(".", 1)[-1] if "anthropic." in last else last)
        for provider in self.providers:
            for family in provider.family:
                if any(fnmatchcase(name, pattern) for name in names for pattern in family.models):
                    return family
        return None


def load(folder: Path | None = None) -> PriceList:
    """Read the price list that ships with the package, after the operator's own in `folder` where there is one.

    Raises:
        ConfigError: the operator's file is not TOML or does not have the form of ours.
    """
    own: tuple[Provider, ...] = ()
    path = None if folder is None else folder / FILE_NAME
    if path is not None and path.is_file():
        try:
            own = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).provider
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise ConfigError(
                f"{path}: {error}. It takes the form of golddiff's own prices.toml (docs/operations.md shows it)."
            ) from error
    text = resources.files("golddiff.record.gateway").joinpath(FILE_NAME).read_text("utf-8")
    return PriceList(msgspec.convert(tomllib.loads(text), _File).provider, own=own)

"""What asking models may cost: `--price`, `--budget-usd`, `--budget-minutes`, and where a price is from.

How it fits: `golddiff evaluate` and `golddiff tasks ask` take these options; `arms` asks here what a server costs. A
price that was stated for the arm goes first, then the operator's own `prices.toml`, which the gateway reads as well,
then a provider's list, at that provider's own hosts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from golddiff.cli.app import FunctionT, console
from golddiff.errors import UsageError

if TYPE_CHECKING:
    from golddiff.evaluate.arms import Arm
    from golddiff.evaluate.budget import Budget, Price

__all__ = ["Spending", "listed", "require_prices", "spending_options", "stated"]

LISTS = {
    "openai": ("api.openai.com",),
    "anthropic": ("api.anthropic.com",),
    "golddiff": ("localhost", "127.0.0.1", "::1"),
}
"""Provider of the price list → hosts that charge as it says. Any other server may charge anything for the same name."""


@dataclass(frozen=True)
class Spending:
    """What was said of money and time."""

    prices: tuple[str, ...]
    """`ARM=IN,OUT`"""
    usd: float | None
    minutes: float | None

    def budget(self) -> Budget:
        """Return the budget, its clock started. Raises UsageError for a limit that is not above 0."""
        from golddiff.evaluate.budget import Budget

        return Budget(self.usd, self.minutes)


def spending_options(function: FunctionT) -> FunctionT:
    """Add `--price`, `--budget-usd` and `--budget-minutes`; the function gets `spending: Spending`."""

    @click.option(
        "--price",
        "prices",
        multiple=True,
        metavar="ARM=IN,OUT",
        help="What an arm costs, in US dollars per million tokens read and written.  "
        "[default: by your prices.toml or the provider's list]",
    )
    @click.option("--budget-usd", type=float, metavar="USD", help="Spend at most this much now; the next call goes on.")
    @click.option(
        "--budget-minutes", type=float, metavar="MIN", help="Ask for at most this long; the next call goes on."
    )
    @functools.wraps(function)
    def wrapped(
        *arguments: Any,
        prices: tuple[str, ...],
        budget_usd: float | None,
        budget_minutes: float | None,
        **options: Any,
    ) -> Any:
        return function(*arguments, spending=Spending(prices, budget_usd, budget_minutes), **options)

    return cast(FunctionT, wrapped)


def require_prices(arms: list[Arm], budget: Budget) -> None:
    """Raise UsageError where money is limited and an arm at a server has no price."""
    unknown = [arm.name for arm in arms if arm.in_flight and arm.price is None]
    if unknown and budget.usd is not None:
        raise UsageError(
            f"--budget-usd needs a price for every server: {unknown[0]} has none on file. "
            f"Give --price {unknown[0].removesuffix(' + R0')}=IN,OUT in US dollars per million tokens."
        )


def stated(prices: Sequence[str]) -> Mapping[str, Price]:
    """Return the prices of `--price`, by arm. Raises UsageError for one that is not of the form `ARM=IN,OUT`."""
    from golddiff.evaluate.budget import Price

    found = {}
    for one in prices:
        name, _, rates = one.partition("=")
        try:
            given, generated = (float(rate) for rate in rates.split(","))
        except ValueError:
            raise UsageError(
                f"--price {one}: expected ARM=IN,OUT in US dollars per million tokens, as teacher=3,15."
            ) from None
        if min(given, generated) < 0:
            raise UsageError(f"--price {one}: a price is not below 0.")
        found[name] = Price(given, generated, "stated")
    return found


def listed(name: str, model: str, url: str, own: Path | None = None) -> Price | None:
    """Return what a model costs at a server, None where that is not known, said where the name has a price.

    The `prices.toml` of the folder `own` holds for its models wherever they are served, as it does in the gateway; the
    list of a provider at the provider's own hosts. Raises ConfigError where that file is not as it should be.
    """
    from urllib.parse import urlsplit

    from golddiff.evaluate.budget import Price
    from golddiff.record.gateway import prices

    known = prices.load(own)
    family = known.lookup(model)
    provider = next((one for one in known.providers if family in one.family), None)
    if family is None or provider is None:
        return None
    if provider in known.own:
        return Price(family.rates.input, family.rates.output, f"{prices.FILE_NAME}, {provider.source.as_of}")
    host = urlsplit(url).hostname or ""
    if host in LISTS.get(provider.name, ()):
        return Price(family.rates.input, family.rates.output, f"{provider.name}'s list of {provider.source.as_of}")
    console.print(
        f"{name}: {provider.name}'s price of {model} is not taken for {host}. --price {name}=IN,OUT adds the money.",
        style="dim",
        markup=False,
    )
    return None

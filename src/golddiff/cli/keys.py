"""`golddiff keys`: who may use the gateway, for how long and how much."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from golddiff.cli.app import FunctionT, Workspace, console, emit_json, json_option, output, workspace_option
from golddiff.errors import UsageError
from golddiff.record.gateway import prices, table
from golddiff.record.gateway.keyfile import Key, KeyFile, KeyLimits
from golddiff.record.gateway.limits import Limits
from golddiff.record.gateway.prices import NANODOLLARS
from golddiff.record.gateway.spending import Used
from golddiff.rights import redact_text

FOLDER = "gateway"
"""Where the gateway keeps its keys, counters and metrics, inside the workspace."""
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def command() -> None:
    """Virtual keys of the gateway: made, listed, limited and revoked while it runs."""


def _limit_options(function: FunctionT) -> FunctionT:
    tokens, usd = click.IntRange(0), click.FloatRange(0)
    for name, kind, text in reversed(
        (
            ("requests-per-minute", click.IntRange(0), "Requests in any 60 seconds."),
            ("tokens-per-minute", tokens, "Tokens read and written in any 60 seconds."),
            ("tokens-per-day", tokens, "Tokens per day (UTC)."),
            ("tokens-per-month", tokens, "Tokens per month (UTC)."),
            ("usd-per-day", usd, "US dollars per day (UTC), by the price list."),
            ("usd-per-month", usd, "US dollars per month (UTC), by the price list."),
        )
    ):
        function = click.option(f"--{name}", type=kind, help=text)(function)
    return function


@command.command(
    epilog="""\b
Examples:
  golddiff keys create laptop
  golddiff keys create ci --owner build@example.com --expires 90d --usd-per-month 50
  golddiff keys create intern --model 'claude-haiku-*' --requests-per-minute 30 --tokens-per-day 2000000
"""
)
@click.argument("name")
@click.option("--owner", default="", help="Whose it is.")
@click.option("--expires", metavar="WHEN", help="A time from now (12h, 90d, 4w) or a date (2027-01-31, UTC).")
@click.option("--model", "models", metavar="PATTERN", multiple=True, help="Model it may ask for; may be repeated.")
@_limit_options
@workspace_option
@json_option
def create(
    name: str,
    owner: str,
    expires: str | None,
    models: tuple[str, ...],
    workspace: Workspace,
    as_json: bool,
    **limits: Any,
) -> None:
    """Make a key. It is shown this once; only its hash is kept. A running gateway takes it within a second."""
    ends = None if expires is None else _moment(expires, datetime.now(UTC))
    secret, key = KeyFile(gateway_folder(workspace)).create(
        redact_text(name), owner=redact_text(owner), expires_at=ends, models=models, limits=KeyLimits(**limits)
    )
    if as_json:
        emit_json({"key": secret, **_shown(key)})
        return
    click.echo(secret)
    until = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "until it is revoked"
    console.print(f"{key.id}: valid {until}. The key is shown this once: keep it now.", markup=False, highlight=False)
    console.print(
        "OpenAI clients take it as OPENAI_API_KEY, Anthropic's as ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@command.command("list", epilog="\b\nExamples:\n  golddiff keys list\n  golddiff keys list --all --json\n")
@click.option("--all", "every", is_flag=True, help="Revoked and expired keys too.")
@workspace_option
@json_option
def list_command(every: bool, workspace: Workspace, as_json: bool) -> None:
    """Show the keys, their limits and what they used: never the keys themselves."""
    now = datetime.now(UTC)
    keys = [key for key in KeyFile(gateway_folder(workspace)).read().keys if every or key.state(now) == "active"]
    used = _usage(gateway_folder(workspace), keys)
    if as_json:
        emit_json([{**_shown(key), "used": _used(used.get(key.id))} for key in keys])
        return
    if not keys:
        console.print("No keys. Make one: golddiff keys create NAME", markup=False, highlight=False)
        return
    rows = Table("key", "state", "may use", "used")
    rows.columns[0].no_wrap = True
    for key in keys:
        rows.add_row(*(Text(cell) for cell in _row(key, used.get(key.id), now)))
    output.print(rows)


@command.command(epilog="\b\nExamples:\n  golddiff keys revoke laptop\n  golddiff keys revoke key_01k…\n")
@click.argument("key", metavar="ID_OR_NAME")
@workspace_option
@json_option
def revoke(key: str, workspace: Workspace, as_json: bool) -> None:
    """End a key for good. Every worker of a running gateway refuses it within a second; open answers finish."""
    revoked = KeyFile(gateway_folder(workspace)).revoke(key)
    if as_json:
        emit_json(_shown(revoked))
    else:
        output.print(f"{revoked.id} ({revoked.name}) is revoked.", markup=False, highlight=False)


@command.command(
    epilog="""\b
Examples:
  golddiff keys limit laptop --usd-per-day 5
  golddiff keys limit laptop --no tokens-per-minute --no usd-per-day
"""
)
@click.argument("key", metavar="ID_OR_NAME")
@_limit_options
@click.option(
    "--no",
    "without",
    metavar="LIMIT",
    multiple=True,
    type=click.Choice([name.replace("_", "-") for name in KeyLimits.__struct_fields__]),
    help="Lift a limit: its name without the dashes in front; may be repeated.",
)
@workspace_option
@json_option
def limit(key: str, without: tuple[str, ...], workspace: Workspace, as_json: bool, **limits: Any) -> None:
    """Change what a key may use, within a second on every worker. What it used already stays counted."""
    lifted = {name.replace("-", "_"): None for name in without}
    changes = {name: value for name, value in limits.items() if value is not None}
    if not lifted and not changes:
        raise UsageError("nothing to change: give a limit, such as --usd-per-day 5, or --no usd-per-day.")
    if both := lifted.keys() & changes.keys():
        raise UsageError(f"{', '.join(sorted(both))} is given and lifted in one command: do one of the two.")
    replace: Callable[[KeyLimits], KeyLimits] = lambda old: msgspec.structs.replace(old, **lifted, **changes)  # noqa: E731
    changed = KeyFile(gateway_folder(workspace)).limit(key, replace)
    if as_json:
        emit_json(_shown(changed))
    else:
        output.print(
            f"{changed.id} ({changed.name}) may use {_limits(changed)}.", markup=False, highlight=False, soft_wrap=True
        )


def gateway_folder(workspace: Workspace) -> Path:
    """Return where the gateway of a workspace keeps its keys, and the operator a `prices.toml`."""
    return (workspace if isinstance(workspace, Path) else workspace.folder) / FOLDER


def _moment(text: str, now: datetime) -> datetime:
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    try:
        if match:
            ends = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            ends = datetime.fromisoformat(text)
            ends = ends.replace(tzinfo=UTC) if ends.tzinfo is None else ends.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--expires {text}: give a time from now such as 12h, 90d or 4w, or a date, 2027-01-31."
        ) from None
    if ends <= now:
        raise UsageError(f"--expires {text} is over already: give a time to come.")
    return ends


def _usage(folder: Path, keys: list[Key]) -> dict[str, Used]:
    if not (folder / table.FILE_NAME).exists():
        return {}
    limits = Limits(folder, prices.load())
    try:
        return {key.id: limits.used(key) for key in keys}
    finally:
        limits.close()


def _shown(key: Key) -> dict[str, Any]:
    """A key's entry without the hash and the slot."""
    entry: dict[str, Any] = msgspec.to_builtins(key)
    del entry["digest"], entry["slot"]
    return entry | {"state": key.state(datetime.now(UTC))}


def _used(used: Used | None) -> dict[str, Any] | None:
    if used is None:
        return None
    return {
        "requests_last_minute": used.minute_requests,
        "tokens_last_minute": used.minute_tokens,
        "tokens_today": used.day_tokens,
        "usd_today": used.day_money / NANODOLLARS,
        "tokens_this_month": used.month_tokens,
        "usd_this_month": used.month_money / NANODOLLARS,
        "requests": used.all_requests,
        "tokens": used.all_tokens,
        "usd": used.all_money / NANODOLLARS,
    }


def _row(key: Key, used: Used | None, now: datetime) -> tuple[str, ...]:
    whose = f"{key.name}, {key.owner}" if key.owner else key.name
    state = key.state(now)
    if state == "active":
        state = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "active"
    spent = "nothing yet"
    if used is not None and used.all_requests:
        today = f"{used.day_tokens:,} tokens, {used.day_money / NANODOLLARS:,.2f} USD"
        month = f"{used.month_tokens:,} tokens, {used.month_money / NANODOLLARS:,.2f} USD"
        spent = f"today {today}\nmonth {month}\n{used.all_requests:,} requests in all"
    return f"{key.id}\n{whose}", state, _limits(key, "\n"), spent


def _limits(key: Key, separator: str = ", ") -> str:
    said = [
        f"{value:{',.2f' if isinstance(value, float) else ','}} {name.replace('_', ' ')}"
        for name in KeyLimits.__struct_fields__
        if (value := getattr(key.limits, name)) is not None
    ]
    if key.models:
        said.append(f"models {', '.join(key.models)}")
    return separator.join(said).replace("usd", "USD") or "anything"

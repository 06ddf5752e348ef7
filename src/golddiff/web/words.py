"""Numbers as people read them, the same in the terminal and on the page."""

from __future__ import annotations

from golddiff.statistics.shares import FEWEST_CLUSTERS, Difference, Measured, Refused
from golddiff.web import facts
from golddiff.web.summary import Group, Report

NOTE = (
    "Shares are of lines whose fate is known, with 95 % intervals clustered by session; a share of fewer than "
    f"{FEWEST_CLUSTERS} sessions, or that one session decides, is not given. Groups are what happened, not an "
    "experiment: they may have had different tasks."
)


def period(report: Report) -> str:
    """Say which days the sessions span."""
    if report.first is None or report.last is None:
        return "no dates"
    first, last = f"{report.first:%-d %b %Y}", f"{report.last:%-d %b %Y}"
    return first if first == last else f"{first} – {last}"


def number(measured: Measured) -> str:
    """Render a ratio that is no share, such as tokens per line, with its interval."""
    if isinstance(measured, Refused):
        return str(measured)
    digits = 0 if measured.high >= 20 else 1
    low, high = f"{measured.low:,.{digits}f}", f"{measured.high:,.{digits}f}"
    return f"{measured.estimate:,.{digits}f} [{low}–{high}]"


def group_share(group: Group) -> str:
    """Render a group's share kept; where it is refused, the counts and why."""
    if not isinstance(group.kept, Refused):
        return str(group.kept)
    if not group.lines.known:
        return str(group.kept)
    return f"{group.lines.kept:,} of {group.lines.known:,}: {group.kept}"


def difference(found: Difference | Refused) -> str:
    """Render a difference in points with its interval; a dash where it is refused."""
    if isinstance(found, Refused):
        return "—"
    values = (_signed(100 * value) for value in (found.estimate, found.low, found.high))
    return "{} [{} to {}]".format(*values)


def _signed(points: float) -> str:
    return f"{round(points):+d}".replace("-", "−") if round(points) else "0"


def verdict(found: Difference | Refused) -> str:
    """Say whether the difference is told apart from none."""
    return "" if isinstance(found, Refused) else found.verdict


def percent(share: float | None) -> str:
    """Render a plain count ratio (coverage), or a dash. Rounded towards 0, so that 100 % means all."""
    return "—" if share is None else f"{int(100 * share)} %"


def tokens(count: int) -> str:
    """Render a token count shortly: 950, 12k, 3.4M."""
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.0f}k" if count < 999_500 else f"{count / 1_000_000:.1f}M"


def rounded(measured: Measured) -> str:
    """Render tokens per line, with its interval: `25k [10k–86k]`."""
    if isinstance(measured, Refused):
        return str(measured)
    values = (tokens(round(value)) for value in (measured.estimate, measured.low, measured.high))
    return "{} [{}–{}]".format(*values)


def spent(report: Report) -> str:
    """Render the tokens of all sessions and how many of them were read from caches."""
    total = facts.spent(report.usage)
    cached = f", {percent(report.usage.cache_read_tokens / total)} of them read from caches" if total else ""
    return f"{tokens(total)} in all{cached}"


def counted(count: int, noun: str) -> str:
    """Render `1 interruption`, `7 interruptions`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{count:,} {noun if count == 1 else plural}"


def abbreviation(record_id: str) -> str:
    """Shorten an id for people: enough of it that `golddiff show` finds it among many."""
    return record_id[:18]


def states(report: Report) -> str:
    """List how many sessions ended in which state."""
    return ", ".join(f"{count} {state}" for state, count in report.states.items() if count)


def attempts(report: Report) -> str:
    """List how many attempts met which fate."""
    return ", ".join(f"{count} {fate}" for fate, count in report.attempts.items() if count) or "none"


def attempt_count(report: Report) -> str:
    """Total of attempts."""
    return f"{sum(report.attempts.values()):,} in all"

"""Numbers as people read them, the same in the terminal and on the page."""

from __future__ import annotations

from golddiff.statistics.shares import FEWEST_CLUSTERS, Difference, Measured, Refused
from golddiff.statistics.survival import Median
from golddiff.statistics.survival_hazards import HazardRatio
from golddiff.web import facts
from golddiff.web.compare import Contrast
from golddiff.web.costs import Costs
from golddiff.web.minutes import TenMinutes
from golddiff.web.summary import Group, Report
from golddiff.web.survival import Lives

NOTE = (
    "Shares are of lines whose fate is known, with 95 % intervals clustered by session; a share of fewer than "
    f"{FEWEST_CLUSTERS} sessions, or that one session decides, is not given. Groups are what happened, not an "
    "experiment: they may have had different tasks."
)


LIVES_NOTE = (
    "Days count from the commit that accepted the lines to the one that removed or changed them; reformatting ends no "
    "line. Lines still there at the last commit looked at are counted as long as they were watched (Kaplan–Meier); "
    "overwritten by a later agent session is an end of its own (Aalen–Johansen)."
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


def dollars(measured: Measured) -> str:
    """Render an amount of money with its interval: `$1.72 [0.90–2.41]`, cents below ten cents to two digits."""
    if isinstance(measured, Refused):
        return str(measured)
    digits = 2 if measured.estimate >= 0.1 else 4
    return f"${measured.estimate:,.{digits}f} [{measured.low:,.{digits}f}–{measured.high:,.{digits}f}]"


def hazard(found: HazardRatio | Refused | None) -> str:
    """Render how many times as fast lines end: `1.8 × [1.1–3.0]`."""
    if found is None:
        return "the reference"
    return str(found) if isinstance(found, Refused) else f"{found.ratio:.2f} × [{found.low:.2f}–{found.high:.2f}]"


def untold(lives: Lives) -> str:
    """Say by what survival cannot be compared; empty where it always can."""
    names = [one.title.lower() for one in lives.breakdowns if len(one.groups) > 1 and not one.tells]
    return f"Too few sessions to compare survival by {', '.join(names)}; --json has the counts." if names else ""


def median(found: Median | Refused) -> str:
    """Render the time by which half of the lines are gone."""
    if isinstance(found, Refused):
        return str(found)
    low, high = (days(value) for value in (found.low, found.high))
    if found.estimate is None:
        return "not reached: more than half were still there at the last look"
    return f"{days(found.estimate)} days [{low}–{high}]"


def days(value: float | None) -> str:
    """Render a number of days; an ellipsis where the curve never gets there."""
    return "…" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def ten_minutes(found: TenMinutes) -> str:
    """Say how much was still there ten minutes after the agent handed back, and how often somebody watched."""
    return (
        f"Ten minutes after the agent handed back: {found.still} of its lines still there "
        f"({counted(found.lines, 'line')} of {counted(found.sessions, 'session')} that golddiff watch looked at)"
    )


def measured(contrast: Contrast, value: Measured | None) -> str:
    """Render one side of a comparison."""
    if value is None:
        return ""
    said = {"dollars": dollars, "tokens": rounded, "number": number}.get(contrast.unit, str)
    return said(value)


def contrast(found: Contrast) -> str:
    """Render the difference of two sides with its interval, or why there is none."""
    value = found.difference
    if isinstance(value, Refused | HazardRatio):
        return hazard(value)
    if found.unit == "share":
        return f"{difference(value)} points"
    scale = {"dollars": "{:+,.2f}", "tokens": "{:+,.0f}"}.get(found.unit, "{:+,.1f}")
    estimate, low, high = (scale.format(bound).replace("-", "−") for bound in (value.estimate, value.low, value.high))
    return f"{estimate} [{low} to {high}]"


def told_apart(found: Contrast) -> str:
    """Say which way two sides differ, or that they are not told apart; nothing where there is no difference."""
    return "" if isinstance(found.difference, Refused) else found.difference.verdict


def unpriced(costs: Costs) -> str:
    """Say which sessions are in no amount, and why; empty where all are."""
    parts = []
    if costs.unpriced_sessions:
        models = ", ".join(costs.unpriced_calls)
        parts.append(f"{counted(costs.unpriced_sessions, 'session')} with calls that have no price ({models})")
    if costs.without_usage:
        parts.append(f"{counted(costs.without_usage, 'session')} without any count of tokens")
    return "left out: " + "; ".join(parts) if parts else ""


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

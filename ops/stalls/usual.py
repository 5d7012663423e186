"""What is usual at an hour of a weekday, and how far the present is from it. Pure.

The present is compared with the same hour of the same weekday in the last four weeks, by the tenant's wall clock. An
hour is usual when it had leads in at least three of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from statistics import median

from ops.stalls.stall import Kind, Stall
from router.domain.calendar import zone
from router.domain.worded import worded
from router.domain.worded_phrases import worded_duration

WEEKS = 4
_AT_LEAST = 3
_HOUR = timedelta(hours=1)
_LOOKED_BACK = timedelta(hours=24)

MISSED = 10.0
"""So many must be missing that chance explains none in 20,000 such cases (Poisson: exp(-10))."""
SILENCE = timedelta(minutes=MISSED)
"""In less time not so many minutes can be missing."""
_AT_ONCE = 10
_HALF = 200.0
"""After so many leads, what was seen before them counts half."""
_ENOUGH = 30.0
_MORE_SHARE = 0.3
_DEVIATIONS = 4.5

Counts = Mapping[datetime, Mapping[str, int]]
"""By hour (its start, UTC) and name: leads of rules, or under "" the minutes in which leads came in."""


def hour_of(at: datetime) -> datetime:
    """The start of its hour, UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def same_hours(hour: datetime, zone_name: str) -> list[datetime]:
    """The starts (UTC) of the same hour of the weekday in the last weeks, by the zone's wall clock."""
    wall = hour.astimezone(zone(zone_name)).replace(tzinfo=None)
    tz = zone(zone_name)
    return [hour_of((wall - timedelta(weeks=n)).replace(tzinfo=tz)) for n in range(1, WEEKS + 1)]


def hours_between(first: datetime, last: datetime) -> list[datetime]:
    """The starts of the hours from `first` to `last`, at most a day of them (UTC)."""
    at, hours = hour_of(max(first, last - _LOOKED_BACK)), []
    while at <= last:
        hours.append(at)
        at += _HOUR
    return hours


def intake_stopped(
    now: datetime, last_at: datetime, zone_name: str, minutes: Counts, is_holiday: Callable[[date], bool]
) -> Stall | None:
    """`minutes` = in how many minutes of each hour leads came in; `last_at` = when the last one came. `is_holiday` is
    asked for dates of the zone: on such days nothing is expected.

    Minutes rather than leads, since a file of a thousand leads is one event.
    """
    expected = 0.0
    for hour in hours_between(last_at, now):
        silent = min(now, hour + _HOUR) - max(last_at, hour, now - _LOOKED_BACK)
        usual = [minutes.get(same, {}).get("", 0) for same in same_hours(hour, zone_name)]
        if sum(one > 0 for one in usual) >= _AT_LEAST and not is_holiday(hour.astimezone(zone(zone_name)).date()):
            expected += median(usual) * (silent / _HOUR)
    if expected < MISSED:
        return None
    text = worded(
        "no lead has come in for {lasts}; in the last four weeks leads came in during about {minutes} minutes of such "
        "a time",
        lasts=worded_duration((now - last_at).total_seconds()),
        minutes=f"{expected:.0f}",
    )
    return Stall(Kind.INTAKE_STOPPED, text)


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual of one rule in an hour: its part of the assigned leads, and of the minutes in which any were."""

    leads: float = 0.0
    minutes: float = 0.0


def usual_rules(hour: datetime, zone_name: str, leads: Counts, minutes: Counts) -> dict[str, Usual]:
    """By name, of the rules that are usual in this hour. Under "" both counts have those of all rules together."""
    weeks = [same for same in same_hours(hour, zone_name) if leads.get(same, {}).get("", 0) > 0]
    if len(weeks) < _AT_LEAST:
        return {}
    names = {name for week in weeks for name in leads[week] if name}
    usual = {}
    for name in names:
        if sum(leads[week].get(name, 0) > 0 for week in weeks) >= _AT_LEAST:
            usual[name] = Usual(_part(leads, weeks, name), _part(minutes, weeks, name))
    return usual


def _part(counts: Counts, weeks: Sequence[datetime], name: str) -> float:
    total = sum(counts.get(week, {}).get("", 0) for week in weeks)
    return sum(counts.get(week, {}).get(name, 0) for week in weeks) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Trend:
    """One rule against what is usual. `missed` = minutes in which it would usually have matched, since it last did.

    `got` and `usual` = of `of` leads those that it got, and would usually have got; what is long ago counts less.
    """

    missed: float = 0.0
    got: float = 0.0
    usual: float = 0.0
    of: float = 0.0

    def after(self, hits: int, total: int, minutes: int, usual: Usual) -> "Trend":
        """With `total` more assigned leads in `minutes` more minutes, `hits` of them by this rule.

        Of many at once, as from a file, only some count: they are one event.
        """
        weight = min(total, _AT_ONCE)
        keep = 0.5 ** (weight / _HALF)
        missed = 0.0 if hits else self.missed + usual.minutes * minutes
        got = self.got * keep + weight * hits / total if total else self.got
        return Trend(missed, got, self.usual * keep + weight * usual.leads, self.of * keep + weight)

    def at_unusual_time(self, hits: int) -> "Trend":
        """In an hour at which nothing is usual of the rule, it is compared with nothing; a lead is a lead."""
        return replace(self, missed=0.0) if hits else self


def rule_stalls(trends: Mapping[str, Trend], rules: Sequence[str], catch_all: frozenset[str]) -> list[Stall]:
    """Rules in force that match no more, and those without a condition that take what others used to take."""
    found = []
    for name in rules:
        trend = trends.get(name, Trend())
        if trend.missed >= MISSED:
            text = worded(
                "rule {rule} no longer matches any lead; usually it would have in {minutes} minutes",
                rule=name,
                minutes=f"{trend.missed:.0f}",
            )
            found.append(Stall(Kind.RULE_STOPPED, text, subject=name))
        elif name in catch_all and _takes_more(trend):
            text = worded(
                "rule {rule}, which takes whatever is left, got {share} of the last leads; usual is {usual}",
                rule=name,
                share=f"{trend.got / trend.of:.0%}",
                usual=f"{trend.usual / trend.of:.0%}",
            )
            found.append(Stall(Kind.CATCH_ALL_TAKES_MORE, text, subject=name))
    return found


def _takes_more(trend: Trend) -> bool:
    more = trend.got - trend.usual
    return trend.of >= _ENOUGH and more > _MORE_SHARE * trend.of and more / sqrt(trend.usual + 1) >= _DEVIATIONS

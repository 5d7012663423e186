"""Roster, ruleset and rates made ready for deciding; built once per combination of versions, then only read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from router.domain.calendar import BusinessDay, business_day, first_day_from
from router.domain.calendars import as_decided
from router.domain.holidays import holiday_calendar
from router.domain.matching import Matcher
from router.domain.rates import Rates
from router.domain.roster import Roster
from router.domain.ruleset import Created, DateRange, Ruleset
from router.domain.weights import Weigher

Int64 = NDArray[np.int64]

NO_CAP = 1 << 40

# Part of every flight record: raise it whenever the same inputs could give another decision.
ENGINE_VERSION = 2


@dataclass(frozen=True, slots=True)
class WindowState:
    """Whether a rule's window is open, and until when that holds (UTC; None = for good)."""

    open: bool
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Moment:
    """When a batch decides: `now`, the business day that holds it, the start of the one before (all UTC).

    `windows` has the state of every rule that has a window, by rule number.
    """

    now: datetime
    day: BusinessDay
    yesterday_start: datetime
    windows: Mapping[int, WindowState] = field(default_factory=dict)


class Engine:
    """What deciding needs of one roster, ruleset and rates. `made_at` tells when these versions were made (UTC).

    `given` is the roster as it is stored, `roster` as the rules have it (`calendars.as_decided`).
    """

    def __init__(
        self, roster: Roster, ruleset: Ruleset, rates: Rates, made_at: tuple[datetime | None, ...] = ()
    ) -> None:
        self.made_at = made_at
        self.given = roster
        # So whoever asks who is in a group, or when a rep works, need not know of rules for one rep and of calendars.
        roster = self.roster = as_decided(roster, ruleset)
        self.ruleset = ruleset
        self.rates = rates
        self.rules = ruleset.rules
        self.matcher = Matcher(ruleset.rules)
        self.weigher = Weigher(roster, ruleset.weights, rates)
        self.max_open = _caps([rep.max_open for rep in roster.reps], ruleset.defaults.max_open)
        self.max_per_day = _caps([rep.max_per_day for rep in roster.reps], ruleset.defaults.max_per_day)
        # A group that a rule names is interned when the ruleset is applied, so every group rule has its number.
        self.group_of_rule = tuple(
            None if rule.group is None else roster.group_numbers[rule.group] for rule in ruleset.rules
        )
        # Loading a country's holidays takes a second, once in a process: not while a lane is held.
        self.holidays = holiday_calendar(ruleset.calendar.country)
        countries = {rep.holidays for rep in roster.reps if rep.holidays is not None}
        versions = {holiday_calendar(country).version for country in sorted(countries)} - {_NO_VERSION}
        self.holidays_version = min({*versions, self.holidays.version} - {_NO_VERSION}, default=_NO_VERSION)
        self.rep_numbers: Int64 = np.array([rep.no for rep in roster.reps], dtype=np.int64)
        self._members: dict[int, Int64] = {
            group: np.array(positions, dtype=np.int64) for group, positions in roster.members.items()
        }

    @property
    def versions(self) -> tuple[int, int, int]:
        """Of ruleset, roster and rates."""
        return (self.ruleset.version, self.roster.version, self.rates.version)

    def members_of(self, group_no: int) -> Int64:
        """Positions of a group's members in the roster, ascending."""
        return self._members.get(group_no, _NOBODY)


_NO_VERSION = holiday_calendar(None).version
_NOBODY: Int64 = np.empty(0, dtype=np.int64)


def _caps(own: list[int | None], default: int | None) -> Int64:
    other = NO_CAP if default is None else default
    return np.array([other if cap is None else cap for cap in own], dtype=np.int64)


def created_holds(
    condition: Created | timedelta, created_at: datetime, moment: Moment, zone: str
) -> tuple[bool, datetime | None]:
    """Whether a `created:` condition holds, and the instant at which time alone may change that (None = never)."""
    if isinstance(condition, timedelta):
        ends = created_at + condition
        holds = moment.now < ends
        return holds, (ends if holds else None)
    if created_at >= moment.day.end:
        # Stamped in the future: look again when its day begins.
        return False, business_day(created_at, zone).start
    if condition is Created.TODAY:
        holds = created_at >= moment.day.start
        return holds, (moment.day.end if holds else None)
    holds = moment.yesterday_start <= created_at < moment.day.start
    return holds, (moment.day.end if created_at >= moment.yesterday_start else None)


def date_holds(condition: DateRange, moment: Moment, zone: str) -> tuple[bool, datetime | None]:
    """Whether a `date:` condition holds, and the instant at which time alone may change that (None = never).

    The day is that of the moment, which is recorded: only the instant rests on the zone's rules.
    """
    day = moment.day.date
    holds = day in condition
    if holds:
        return True, None if condition.last is None else first_day_from(condition.last + timedelta(days=1), zone)
    early = condition.first is not None and day < condition.first
    return False, first_day_from(condition.first, zone) if early and condition.first else None

"""A tenant's routing rules, as values. Reading them from YAML is `router.rules.file`'s duty."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from router.domain.calendar import WeekHours
from router.domain.conditions import FactCondition, OneOf


class Created(StrEnum):
    """`created:` conditions that name a business day of the tenant."""

    TODAY = "today"
    YESTERDAY = "yesterday"


@dataclass(frozen=True, slots=True)
class PriorityRange:
    """Priorities from `least` to `most`, both included (None = no bound), without those in `but`."""

    least: int | None = None
    most: int | None = None
    but: frozenset[int] = frozenset()

    def __contains__(self, priority: int) -> bool:
        if priority in self.but or (self.least is not None and priority < self.least):
            return False
        return self.most is None or priority <= self.most


@dataclass(frozen=True, slots=True)
class DateRange:
    """Business days of the tenant from `first` to `last`, both included (None = no bound)."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Match:
    """All parts must hold. `created` is a named day or a maximum age (by the lead's `created_at`).

    `date` is about the business day on which is decided, whatever the lead.
    `one_of` has each field once at most; `others` are the conditions on facts without a list of values.
    """

    one_of: tuple[OneOf, ...] = ()
    priority: frozenset[int] | PriorityRange | None = None
    known_customer: bool | None = None
    created: Created | timedelta | None = None
    others: tuple[FactCondition, ...] = ()
    date: DateRange | None = None

    @property
    def facts(self) -> tuple[FactCondition, ...]:
        """The conditions that the lead's facts alone decide."""
        return (*self.one_of, *self.others)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `group` is the group's name, or None for `assign_to: owner`.

    `fall_back_after` is wall time since the lead was queued, for owner rules (None = at once when the owner has
    no room). `wait` = stop here when nobody can take the lead. `window` = when the rule applies, in the tenant's
    zone (None = always). `rep` is the id of the rep for `assign_to: rep:ID`: then `group` is a group of that rep alone,
    which the engine makes. `owns` = the rep who gets the lead becomes the customer's owner.
    """

    name: str
    match: Match = Match()
    group: str | None = None
    fall_back_after: timedelta | None = None
    wait: bool = False
    window: WeekHours | None = None
    rep: str | None = None
    owns: bool = True

    @property
    def to_owner(self) -> bool:
        return self.group is None


@dataclass(frozen=True, slots=True)
class CloseRate:
    """Wins on a segment in the last `lookback`; `prior_leads` imagined average leads keep new reps in the game."""

    lookback: timedelta = timedelta(days=90)
    prior_leads: int = 20
    segment: str = "industry"


@dataclass(frozen=True, slots=True)
class SoldProduct:
    """A rep who sold the lead's product in the last `lookback` has the weight times `factor` (thousandths)."""

    lookback: timedelta = timedelta(days=90)
    factor: int = 1500


@dataclass(frozen=True, slots=True)
class Weights:
    """Factors on a rep's weight for one lead, in thousandths (1000 = none)."""

    region_match: int = 1000
    industry_match: int = 1000
    close_rate: CloseRate | None = None
    sold_product: SoldProduct | None = None


@dataclass(frozen=True, slots=True)
class CalendarSpec:
    """Holidays of `country` (ISO 3166 code, None = none) and the hours of reps who have none of their own."""

    country: str | None = None
    working_hours: WeekHours | None = None


@dataclass(frozen=True, slots=True)
class GroupCalendar:
    """What reps of a group have who have none of their own (None = as the tenant): a zone, holidays, hours.

    `country` is an ISO 3166 code, or `none` for no holidays. The zone is for reps whose own is the tenant's.
    """

    group: str
    time_zone: str | None = None
    country: str | None = None
    working_hours: WeekHours | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """Caps of reps who have none of their own; None = no cap."""

    max_open: int | None = None
    max_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class PresenceSpec:
    """Reps of these groups get leads only while they are present: their last heartbeat is at most `ttl` old."""

    groups: tuple[str, ...]
    ttl: timedelta = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A version of a tenant's rules. `max_age`: a lead that waited longer is parked.

    `synonyms`: (field, value, word), folded: conditions with the value also match the word, as the tenant's synonyms
    had it when the version was applied.
    """

    version: int
    rules: tuple[Rule, ...]
    business_time_zone: str = "UTC"
    default_phone_region: str | None = None
    calendar: CalendarSpec = field(default_factory=CalendarSpec)
    defaults: Defaults = field(default_factory=Defaults)
    weights: Weights = field(default_factory=Weights)
    presence: PresenceSpec | None = None
    groups: tuple[GroupCalendar, ...] = ()
    max_age: timedelta = timedelta(days=30)
    no_match_max_age: timedelta = timedelta(hours=24)
    synonyms: tuple[tuple[str, str, str], ...] = ()

    def patience(self, *, matched: bool) -> timedelta:
        """How long a lead may wait before it is parked: one for which a rule matched, or one for which none did."""
        return self.max_age if matched else self.no_match_max_age

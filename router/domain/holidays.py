"""Which dates are public holidays, and which weekend days are worked instead."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from router.domain.worded import worded
from router.domain.working_hours import Interval, WeekHours

if TYPE_CHECKING:
    from holidays import HolidayBase


class DayKind(Enum):
    """What a country's calendar says about a date."""

    ORDINARY = "ordinary"
    HOLIDAY = "holiday"
    MAKE_UP = "make_up"
    """A weekend day that is worked in exchange for a day off (China)."""


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """The public holidays of one country or subdivision; without a country every date is ordinary.

    `version` names the data, for flight records: another version may know other dates.
    """

    country: str | None
    version: str

    def kind(self, day: date) -> DayKind:
        """What `day` is there."""
        if self.country is None:
            return DayKind.ORDINARY
        return _special_days(self.country, day.year).get(day, DayKind.ORDINARY)

    def hours(self, week: WeekHours, day: date) -> tuple[Interval, ...]:
        """The intervals worked on `day` by somebody with the hours of `week`.

        Nothing on a public holiday. On a make-up day those of the first weekday from Monday to Friday that
        has hours; who works on weekends only keeps the day's own.
        """
        kind = self.kind(day)
        if kind is DayKind.HOLIDAY:
            return ()
        own = week.days[day.weekday()]
        if kind is DayKind.MAKE_UP:
            return next((hours for hours in week.days[:5] if hours), own)
        return own


ENGLISH = "en_US"
NO_HOLIDAYS = "none"
"""Instead of a country: nobody has a day off."""


def country_code(text: str) -> str:
    """The code of a country or subdivision whose holidays are known, or `none`. Raises ValueError."""
    if text.strip().casefold() == NO_HOLIDAYS:
        return NO_HOLIDAYS
    return holiday_calendar(text).country or text


@lru_cache(maxsize=256)
def holiday_calendar(country: str | None) -> HolidayCalendar:
    """The calendar of an ISO 3166 code (`CN`, `DE-BY`; in any case); ValueError when there is none.

    None, and `none`, have no holidays.
    """
    if country is None or country == NO_HOLIDAYS:
        return HolidayCalendar(country=None, version="none")
    code = country.strip().upper()
    try:
        _holidays_of(code, 2024)
    except (NotImplementedError, TypeError) as error:
        # The library takes the names of all that it has for countries: `MON` and `JAN` are numbers of it.
        raise ValueError(
            worded(
                "no holidays are known for country {country}: use an ISO 3166 code such as CN, US or DE-BY",
                country=repr(country),
            )
        ) from error
    from importlib.metadata import version  # noqa: PLC0415 - slow to read, and only needed with a calendar

    return HolidayCalendar(country=code, version=f"holidays {version('holidays')}")


@lru_cache(maxsize=4096)
def holiday_name(country: str, day: date, language: str = ENGLISH) -> str:
    """How the country's holiday on that day is called; in English where the library has no names in the language."""
    from holidays import country_holidays  # noqa: PLC0415

    nation, _, subdivision = country.partition("-")
    found = country_holidays(nation, subdiv=subdivision or None, years=day.year, language=language)
    if language not in found.supported_languages:
        found = country_holidays(nation, subdiv=subdivision or None, years=day.year, language=ENGLISH)
    return found.get(day) or ""


@lru_cache(maxsize=4096)
def _special_days(country: str, year: int) -> dict[date, DayKind]:
    found = _holidays_of(country, year)
    special = {day: DayKind.MAKE_UP for day in found.weekend_workdays if day.year == year}
    special.update((day, DayKind.HOLIDAY) for day in found if day.year == year)
    return special


def _holidays_of(country: str, year: int) -> "HolidayBase":
    # The library loads all its countries, about a second: only who names a country pays, and once.
    from holidays import country_holidays  # noqa: PLC0415

    nation, _, subdivision = country.partition("-")
    return country_holidays(nation, subdiv=subdivision or None, years=year)

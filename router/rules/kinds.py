"""Kinds of values that several files have: factors, durations, time zones, countries of phone numbers."""

import re
from datetime import timedelta
from decimal import Decimal

from router.domain.calendar import zone
from router.domain.roster import MILLI
from router.domain.span import LONGEST, SHORTEST, read_span
from router.domain.worded import said_by, worded
from router.rules.document import At, Wrong
from router.rules.reader import is_number, scalar, shorten, text, what, whole

_FACTOR = re.compile(r"(\d{1,9})(\.\d{1,12})?", re.ASCII)


def factor(at: At) -> int:
    """A factor on weights, in thousandths: 0.001 to 1000, as at most three decimals can say."""
    node = scalar(at)
    plain = is_number(node) and _FACTOR.fullmatch(node.value)
    thousandths = Decimal(node.value) * MILLI if plain else Decimal(0)
    if not 1 <= thousandths <= 1000 * MILLI or thousandths != int(thousandths):
        raise Wrong(
            worded("must be a number from 0.001 to 1000 with at most three decimals, not {what}", what=what(node))
        )
    return int(thousandths)


def duration(at: At) -> timedelta:
    """A time span such as 90s, 30m, 4h or 2d."""
    node = scalar(at)
    span = read_span(node.value.strip())
    if span is None:
        raise Wrong(
            worded(
                "must be a number with its unit, such as 90s, 30m, 4h or 2d, not {what}",
                what=what(node),
            )
        )
    if not SHORTEST <= span <= LONGEST:
        limit = f"{LONGEST.days}d"
        raise Wrong(worded("must be between 1s and {limit}, not {value}", limit=limit, value=shorten(node.value)))
    return span


def days(at: At) -> timedelta:
    """A whole number of days."""
    return timedelta(days=whole(1, LONGEST.days)(at))


def zone_name(at: At) -> str:
    """The name of a time zone."""
    try:
        return zone(text(at)).key
    except ValueError as error:
        raise Wrong(said_by(error)) from None


def phone_region(at: At) -> str:
    """The code of a country, for phone numbers without one."""
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415 - slow to read, and few rules name one

    region = text(at).upper()
    if region not in SUPPORTED_REGIONS:
        raise Wrong(worded("{value} is not a country code of two letters such as CN, US or DE", value=shorten(region)))
    return region

"""Times as people read them, in one way everywhere: on the wall clock of a zone, and the zone is named.

What concerns a tenant is written in the tenant's zone; what concerns the whole service, in UTC.
"""

from datetime import UTC, datetime, timedelta

from router.domain.calendar import zone

SERVICE_ZONE = "UTC"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# In seven days the same weekday comes again.
_WITHIN_THE_WEEK = timedelta(days=6)


def on_wall_clock(at: datetime, zone_name: str) -> tuple[datetime, str]:
    """The wall clock of the zone at an instant, and the zone's name; UTC where that is past the end of the calendar."""
    try:
        return at.astimezone(zone(zone_name)), zone_name
    except OverflowError:
        return at.astimezone(UTC), SERVICE_ZONE


def written(at: datetime, zone_name: str = SERVICE_ZONE, *, seconds: bool = False) -> str:
    """`2026-11-28 09:00 Asia/Shanghai`; with seconds `2026-11-28 09:00:00 Asia/Shanghai`."""
    wall, name = on_wall_clock(at, zone_name)
    return f"{wall:%Y-%m-%d %H:%M:%S} {name}" if seconds else f"{wall:%Y-%m-%d %H:%M} {name}"


def written_or_dash(at: datetime | None, zone_name: str = SERVICE_ZONE, *, seconds: bool = False) -> str:
    """The same as a table's cell; `-` = there is none."""
    return "-" if at is None else written(at, zone_name, seconds=seconds)


def in_column(at: datetime | None, zone_name: str = SERVICE_ZONE) -> str:
    """A cell of a column whose title names the zone: `2026-11-28 09:00:00`; `-` = there is none."""
    if at is None:
        return "-"
    wall, name = on_wall_clock(at, zone_name)
    time = f"{wall:%Y-%m-%d %H:%M:%S}"
    return time if name == zone_name else f"{time} {name}"


def names_the_day(at: datetime, now: datetime) -> bool:
    """Whether the weekday alone says which day is meant: one of those that come next."""
    return timedelta(0) <= at - now <= _WITHIN_THE_WEEK


def written_soon(at: datetime, now: datetime, zone_name: str = SERVICE_ZONE) -> str:
    """A time to come, as people speak of it: `Sat 09:00 Asia/Shanghai`; from a week on with the date."""
    wall, name = on_wall_clock(at, zone_name)
    day = WEEKDAYS[wall.weekday()]
    return f"{day} {wall:%H:%M} {name}" if names_the_day(at, now) else f"{day} {wall:%Y-%m-%d %H:%M} {name}"

"""Whose calendar a rep has: zone, hours and holidays of the rep, else of a group, else of the tenant.

A roster in which that is settled is what engines decide with; `attendance` then needs to know no groups.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import msgspec

from router.domain.roster import Rep, Roster
from router.domain.ruleset import GroupCalendar, Ruleset
from router.domain.text import fold


def as_decided(roster: Roster, ruleset: Ruleset) -> Roster:
    """The roster as the rules have it: reps in the groups of rules for one rep, and in the calendars of their groups.

    Rules without either leave it as it is.
    """
    joined = roster.joined_by(
        {rule.rep: roster.group_numbers[rule.group] for rule in ruleset.rules if rule.rep and rule.group}
    )
    return in_calendars(joined, ruleset)


def in_calendars(roster: Roster, ruleset: Ruleset) -> Roster:
    """The roster with every rep in the calendar that the rep has."""
    if not ruleset.groups:
        return roster
    calendars = calendars_by_number(roster.group_names, ruleset)
    reps = tuple(in_calendar(rep, calendars, ruleset.business_time_zone) for rep in roster.reps)
    return replace(roster, reps=reps)


def calendars_by_number(group_names: Mapping[int, str], ruleset: Ruleset) -> dict[int, GroupCalendar]:
    """Group number to its calendar, in the order in which the rules name them."""
    numbers = {fold(name): number for number, name in group_names.items()}
    known = ((numbers.get(fold(one.group)), one) for one in ruleset.groups)
    return {number: one for number, one in known if number is not None}


def in_calendar(rep: Rep, calendars: Mapping[int, GroupCalendar], tenant_zone: str) -> Rep:
    """The rep with what the rep's groups say where the rep has nothing of the own: the first group that says it counts.

    Of a zone the roster always has one: that of the tenant counts as none of the rep's own.
    """
    mine = [one for number, one in calendars.items() if number in rep.groups]
    if not mine:
        return rep
    zone = next((one.time_zone for one in mine if one.time_zone), rep.time_zone)
    hours = next((one.working_hours for one in mine if one.working_hours is not None), None)
    return msgspec.structs.replace(
        rep,
        time_zone=zone if rep.time_zone == tenant_zone else rep.time_zone,
        holidays=rep.holidays or next((one.country for one in mine if one.country), None),
        working_hours=hours if rep.working_hours is None else rep.working_hours,
    )


def differing(rep: Rep, calendars: Mapping[int, GroupCalendar]) -> Iterator[tuple[str, str]]:
    """The groups of a rep, in pairs, that say different things: the first of each pair counts."""
    mine = [one for number, one in calendars.items() if number in rep.groups]
    for first, second in combinations(mine, 2):
        if any(_both_say(getattr(first, name), getattr(second, name)) for name in _FIELDS):
            yield first.group, second.group


_FIELDS = ("time_zone", "country", "working_hours")


def _both_say(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other

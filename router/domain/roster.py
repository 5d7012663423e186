"""Reps and groups as of one roster version."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property

import msgspec

from router.domain.calendar import WeekHours

MILLI = 1000
ONE_REP = "rep:"
"""What the names of groups begin with that rules make of one rep (`assign_to: rep:ID`)."""


def one_rep(group: str | None) -> str | None:
    """The id of the rep whose group this is; None = it is a group of the roster."""
    return group.removeprefix(ONE_REP) if group is not None and group.startswith(ONE_REP) else None


@dataclass(frozen=True, slots=True)
class Leave:
    """Days off, both ends included, in the rep's own time zone."""

    first: date
    last: date


# A struct is made in a tenth of the time of a frozen dataclass, and whoever asks about one lead reads all reps.
class Rep(msgspec.Struct, frozen=True, gc=False):
    """One rep. `no` is the number used by the hot tables, `rep_id` the CRM's id.

    `working_hours` and `holidays` (a country such as CN or DE-BY, or `none`) None = those of a group or of the
    ruleset's calendar; caps None = the ruleset's defaults; `weight` in thousandths (0 = gets nothing by share, still
    keeps known customers); `groups` are group numbers; `regions` and `industries` are folded (see `text.fold`).
    `availability_held_until` (UTC): the source's word is not understood, so `available`
    is the last known one and holds until then; None = it is known.
    """

    no: int
    rep_id: str
    name: str
    time_zone: str
    active: bool = True
    available: bool = True
    availability_held_until: datetime | None = None
    working_hours: WeekHours | None = None
    leave: tuple[Leave, ...] = ()
    groups: frozenset[int] = frozenset()
    regions: frozenset[str] = frozenset()
    industries: frozenset[str] = frozenset()
    weight: int = MILLI
    max_open: int | None = None
    max_per_day: int | None = None
    holidays: str | None = None


@dataclass(frozen=True)
class Roster:
    """All reps of a tenant as of a version, ordered by number, and the names of all groups that ever were."""

    version: int
    reps: tuple[Rep, ...]
    group_names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(a.no >= b.no for a, b in zip(self.reps, self.reps[1:], strict=False)):
            raise ValueError("reps must be ordered by number, each once")

    @cached_property
    def position(self) -> dict[int, int]:
        """Rep number to index in `reps`."""
        return {rep.no: i for i, rep in enumerate(self.reps)}

    @cached_property
    def members(self) -> dict[int, tuple[int, ...]]:
        """Group number to the positions of its members, ascending."""
        found: dict[int, list[int]] = {}
        for i, rep in enumerate(self.reps):
            for group in rep.groups:
                found.setdefault(group, []).append(i)
        return {group: tuple(positions) for group, positions in found.items()}

    def joined_by(self, groups: Mapping[str, int]) -> "Roster":
        """With each of these reps, by id, in one group more. Ids that no rep has add nobody."""
        if not groups:
            return self
        reps = [
            msgspec.structs.replace(rep, groups=rep.groups | {groups[rep.rep_id]}) if rep.rep_id in groups else rep
            for rep in self.reps
        ]
        return replace(self, reps=tuple(reps))

    @cached_property
    def group_numbers(self) -> dict[str, int]:
        """Group name to number."""
        return {name: no for no, name in self.group_names.items()}

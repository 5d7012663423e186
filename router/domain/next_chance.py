"""When time alone gives a waiting lead its next chance, and through whom. Pure; what people change is not foreseen.

Judged are hours, holidays, leave, the new day of daily caps, and the windows and dates of rules. Who is at the open
cap, unavailable or not present is no chance: for that something else has to happen than time.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property

from router.domain.attendance import Attendance, open_hours
from router.domain.calendar import business_day, first_day_from
from router.domain.chance import Chance, earliest_chance
from router.domain.eligibility import Eligibility
from router.domain.engine import Engine
from router.domain.next_duty import BY_TIME, NextDuties
from router.domain.roster import Rep
from router.domain.ruleset import Rule
from router.domain.targets import WakeTargets

_CAN_COME = BY_TIME | {Attendance.ON_DUTY}
# Hours and a rule's window that never meet are given up after so many tries.
_TRIES = 200


_Comes = tuple[tuple[int, ...], Chance]
"""Who comes at one instant: their numbers, in the order of the ids."""


class Outlook:
    """What time alone will bring from `now` (UTC) on. `standing` = attendance (with presence) and loads at `now`."""

    def __init__(self, engine: Engine, standing: Eligibility, now: datetime) -> None:
        self._engine = engine
        self._standing = standing
        self._now = now
        self._of_rep: dict[int, datetime | None] = {}
        self._of_group: dict[tuple[int, int | None], list[_Comes]] = {}
        self._duties = NextDuties()

    def chance(self, targets: WakeTargets) -> Chance | None:
        """The next chance of leads that wait for this; None = time alone brings none."""
        return earliest_chance(self._chances(targets))

    def _chances(self, targets: WakeTargets) -> Iterator[Chance | None]:
        engine = self._engine
        for kind, number in targets.order:
            if kind == "g":
                yield self._through_group(number, None, targets.excluded)
            elif kind == "o":
                yield self._through_owner(number)
            elif (group_no := engine.group_of_rule[number]) is not None:
                yield self._through_group(group_no, number, targets.excluded)
            else:
                opens = self._applies_from([engine.rules[number]], self._now)
                yield None if opens is None else Chance(opens)

    def _through_group(self, group_no: int, rule_no: int | None, excluded: frozenset[int]) -> Chance | None:
        for numbers, chance in self._group(group_no, rule_no):
            if excluded.isdisjoint(numbers):
                return chance
            if left := tuple(rep_id for no, rep_id in zip(numbers, chance.reps, strict=True) if no not in excluded):
                return Chance(chance.at, left)
        return None

    def _through_owner(self, rep_no: int) -> Chance | None:
        position = self._engine.roster.position.get(rep_no)
        at = None if position is None else self._free_under(self._owner_rules, position)
        return None if at is None or position is None else Chance(at, (self._engine.roster.reps[position].rep_id,))

    def _group(self, group_no: int, rule_no: int | None) -> list[_Comes]:
        """When members can take leads next, the earliest first; by one rule, or by any that assigns there.

        Read once: many leads wait for one group, each without other reps.
        """
        key = (group_no, rule_no)
        if key not in self._of_group:
            engine = self._engine
            numbers = range(len(engine.rules)) if rule_no is None else (rule_no,)
            rules = _counting([engine.rules[number] for number in numbers if engine.group_of_rule[number] == group_no])
            found = defaultdict[datetime, list[Rep]](list)
            for position in engine.members_of(group_no).tolist():
                if engine.weigher.base[position] > 0 and (at := self._free_under(rules, position)) is not None:
                    found[at].append(engine.roster.reps[position])
            self._of_group[key] = [
                (tuple(rep.no for rep in reps), Chance(at, tuple(rep.rep_id for rep in reps)))
                for at, reps in sorted(found.items())
            ]
        return self._of_group[key]

    @cached_property
    def _owner_rules(self) -> Sequence[Rule]:
        return _counting([rule for rule in self._engine.rules if rule.to_owner])

    def _free_under(self, rules: Sequence[Rule], position: int) -> datetime | None:
        """The first instant at which the rep can take a lead and one of the rules applies."""
        at = self._free_from(position)
        for _ in range(_TRIES):
            applies = None if at is None else self._applies_from(rules, at)
            if applies is None or applies == at:
                return applies
            at = self._on_duty(position, applies)
        return None

    def _applies_from(self, rules: Sequence[Rule], at: datetime) -> datetime | None:
        """The first instant from `at` on at which the window and the dates of one of the rules hold."""
        found = [applies for rule in rules if (applies := self._rule_from(rule, at)) is not None]
        return min(found, default=None)

    def _rule_from(self, rule: Rule, at: datetime) -> datetime | None:
        zone, dates = self._engine.ruleset.business_time_zone, rule.match.date
        for _ in range(_TRIES):
            if dates is not None and (day := business_day(at, zone).date) not in dates:
                if dates.first is None or day >= dates.first:
                    return None
                at = first_day_from(dates.first, zone)
            if rule.window is None:
                return at
            is_open, until = open_hours(rule.window, zone, at)
            if is_open or until is None:
                return at if is_open else None
            at = until
        return None

    def _free_from(self, position: int) -> datetime | None:
        """When the rep is on duty and below both caps, whatever the rules."""
        if position not in self._of_rep:
            self._of_rep[position] = self._look(position)
        return self._of_rep[position]

    def _look(self, position: int) -> datetime | None:
        engine, standing = self._engine, self._standing
        if Attendance(int(standing.attendance[position])) not in _CAN_COME:
            return None
        if standing.open_counts[position] >= engine.max_open[position] or not engine.max_per_day[position]:
            return None
        full = standing.today_counts[position] >= engine.max_per_day[position]
        return self._on_duty(position, self._day_end if full else self._now)

    @cached_property
    def _day_end(self) -> datetime:
        return business_day(self._now, self._engine.ruleset.business_time_zone).end

    def _on_duty(self, position: int, at: datetime) -> datetime | None:
        engine = self._engine
        rep, hours = engine.roster.reps[position], engine.ruleset.calendar.working_hours
        return self._duties.of(rep, at, engine.holidays, hours)


def _counting(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Those of the rules that say when one of them applies: one that always does says it alone."""
    always = next((rule for rule in rules if rule.window is None and rule.match.date is None), None)
    return rules if always is None else (always,)

"""Counts leads by hour as they come and are assigned, and how the rules fare against what is usual at that hour."""

import asyncio
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from time import monotonic
from typing import Any

from ops.stalls.usual import Counts, Trend, Usual, hour_of, same_hours, usual_rules
from router.domain.calendar import DayKind, holiday_calendar, zone
from router.domain.flight_format import decode
from router.domain.ruleset import GroupCalendar, Match, Ruleset
from router.domain.text import fold
from router.rules.problems import InvalidFile
from router.store import hour_counts as store
from router.store.hour_counts import RECEIVED, RULE, HourCount, Reached
from router.store.rulesets import RulesUnknown, load_ruleset
from router.store.stalls import WatchedTenant
from router.store.statements import Connection, Row

_LEADS, _BATCHES = 50_000, 50
# What is left is counted in the next look.
_LONGEST_S = 1.0
_BEGIN_BATCHES_AGO, _BEGIN_LEADS_AGO = 1000, 1_000_000
_ASSIGNED_AT, _MINUTE = "assigned_at", "minute"
_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class RuleNames:
    """The names of a ruleset's rules by number, those that have no condition, and the country of its holidays.

    `calendars` = of the rules whose group has a country of its own, by rule name.
    """

    names: tuple[str, ...] = ()
    catch_all: frozenset[str] = frozenset()
    country: str | None = None
    calendars: Mapping[str, GroupCalendar] = field(default_factory=dict)

    def is_holiday(self, day: date) -> bool:
        """Whether the tenant has a holiday on that day."""
        return holiday_calendar(self.country).kind(day) is DayKind.HOLIDAY

    def on_holiday(self, names: Collection[str], at: datetime, zone_name: str) -> frozenset[str]:
        """Those of the rules for which nothing is as usual at `at`: their reps have a holiday.

        What a rule without conditions gets depends on all the others.
        """
        tenants = self.is_holiday(at.astimezone(zone(zone_name)).date())
        off = frozenset(name for name in names if self._own_holiday(name, at, zone_name, otherwise=tenants))
        return off | self.catch_all.intersection(names) if off else off

    def _own_holiday(self, name: str, at: datetime, zone_name: str, *, otherwise: bool) -> bool:
        own = self.calendars.get(name)
        if own is None:
            return otherwise
        day = at.astimezone(zone(own.time_zone or zone_name)).date()
        return holiday_calendar(own.country).kind(day) is DayKind.HOLIDAY


@dataclass(slots=True)
class RuleBook:
    """Rule names by tenant and version, read once each; a ruleset that cannot be read has none."""

    _known: dict[tuple[int, int], RuleNames] = field(default_factory=dict)

    async def names(self, conn: Connection, tenant_id: int, version: int) -> RuleNames:
        key = (tenant_id, version)
        if key not in self._known:
            try:
                ruleset = await load_ruleset(conn, tenant_id, version)
            except (InvalidFile, RulesUnknown):
                return RuleNames()
            if len(self._known) > 1000:
                self._known.clear()
            self._known[key] = _names_of(ruleset)
        return self._known[key]


def _names_of(ruleset: Ruleset) -> RuleNames:
    plain = [rule for rule in ruleset.rules if rule.match == Match() and rule.group and rule.window is None]
    names = tuple(rule.name for rule in ruleset.rules)
    of_group = {fold(one.group): one for one in ruleset.groups if one.country is not None}
    own = {rule.name: of_group.get(fold(rule.group)) for rule in ruleset.rules if rule.group and rule.rep is None}
    calendars = {name: one for name, one in own.items() if one is not None}
    return RuleNames(names, frozenset(rule.name for rule in plain), ruleset.calendar.country, calendars)


@dataclass(slots=True)
class HourTally:
    """What was assigned in one hour: leads and minutes (as numbers since 1970) by rule name, "" = all together."""

    leads: Counter[str] = field(default_factory=Counter)
    minutes: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    last_at: datetime | None = None

    def add(self, at: datetime, rules: Mapping[str, int]) -> None:
        """One batch at `at`, with leads by rule name."""
        for name, leads in {**rules, "": sum(rules.values())}.items():
            self.leads[name] += leads
            self.minutes[name].add(int(at.timestamp()) // _MINUTE_S)
        self.last_at = at if self.last_at is None else max(self.last_at, at)

    def counts(self, hour: datetime) -> list[HourCount]:
        assert self.last_at is not None
        return [
            HourCount(hour, RULE, name, leads, _bits(self.minutes[name]), self.last_at)
            for name, leads in self.leads.items()
            if leads
        ]


def _bits(minutes: Iterable[int]) -> int:
    return sum(1 << minute % 60 for minute in minutes)


def assigned_rules(inputs: bytes, names: Sequence[str]) -> Counter[str]:
    """Leads that a flight record says were assigned, by the name of the rule; none where it cannot be read."""
    try:
        flight = decode(inputs)
        rules = struct.unpack(f"<{len(flight.rules) // 8}q", flight.rules)
        pairs = Counter(rule for rep, rule in zip(flight.rep_numbers, rules, strict=True) if rep > 0)
    except (ValueError, struct.error, zlib.error):
        return Counter()
    return Counter({_name(rule, names): leads for rule, leads in pairs.items()})


def _name(rule: int, names: Sequence[str]) -> str:
    return names[rule] if 0 <= rule < len(names) else f"rule number {rule}"


@dataclass(frozen=True, slots=True)
class NewlyCounted:
    """What one step counted, up to `reached`: leads that came in, those assigned by the name of their rule, and how
    many of these only a rule without conditions took.
    """

    reached: Reached
    arrived: int = 0
    assigned: Mapping[str, int] = field(default_factory=dict)
    fell_through: int = 0


Report = Callable[[str, NewlyCounted], None]
"""Is given the tenant's name and what was counted, once it is committed."""


async def count_new(
    conn: Connection, tenant: WatchedTenant, book: RuleBook, report: Report = lambda _, __: None
) -> Reached | None:
    """Counts what is new of a tenant, unless another instance is at it; returns how far it is counted."""
    reached, begin = tenant.reached, monotonic()
    while monotonic() - begin < _LONGEST_S and not (reached is not None and _is_current(reached, tenant)):
        async with conn.transaction():
            step = await _step(conn, tenant, book)
        if step is None or step.reached == reached:
            break
        report(tenant.name, step)
        reached = step.reached
    return reached


def _is_current(reached: Reached, tenant: WatchedTenant) -> bool:
    return reached.batch_no >= tenant.batch_no and reached.lead_id >= (tenant.last_lead or 0)


async def _step(conn: Connection, tenant: WatchedTenant, book: RuleBook) -> NewlyCounted | None:
    tenant_id = tenant.tenant_id
    reached = await store.hold_reached(conn, tenant_id)
    if reached is None:
        # What was long before is worth nothing for rules: for these it takes three weeks to know what is usual.
        first_batch = max(0, tenant.batch_no - _BEGIN_BATCHES_AGO)
        first_lead = max(0, (tenant.last_lead or 0) - _BEGIN_LEADS_AGO)
        begin = Reached(first_lead, first_batch, {_ASSIGNED_AT: tenant.now.isoformat()})
        await store.begin_counting(conn, tenant_id, begin)
        return None
    leads = await store.leads_after(conn, tenant_id, reached.lead_id, _LEADS)
    batches = await store.batches_after(conn, tenant_id, reached.batch_no, _BATCHES)
    tallies = await _tallied(conn, tenant_id, batches, book)
    rules = await book.names(conn, tenant_id, tenant.ruleset)
    trends = await _trends(conn, tenant, reached.trends, tallies, rules)
    received = [HourCount(row["hour"], RECEIVED, "", row["leads"], row["minutes"], row["last_at"]) for row in leads]
    assigned = [count for hour, tally in tallies.items() for count in tally.counts(hour)]
    await store.add_counts(conn, tenant_id, [*received, *assigned])
    last_lead = max((row["last_lead"] for row in leads), default=reached.lead_id)
    last_batch = batches[-1]["batch_no"] if batches else reached.batch_no
    # Numbers that were given out and never used, as of an import that failed, are passed over.
    lead_id = last_lead if leads else max(reached.lead_id, tenant.last_lead or 0)
    batch_no = last_batch if batches else max(reached.batch_no, tenant.batch_no)
    now_at = Reached(lead_id, batch_no, trends)
    await store.write_reached(conn, tenant_id, now_at)
    by_rule = sum((tally.leads for tally in tallies.values()), Counter[str]())
    by_rule.pop("", None)
    fell_through = sum(by_rule[name] for name in rules.catch_all)
    return NewlyCounted(now_at, sum(row["leads"] for row in leads), by_rule, fell_through)


async def _tallied(
    conn: Connection, tenant_id: int, batches: Sequence[Row], book: RuleBook
) -> dict[datetime, HourTally]:
    """What the batches assigned, by hour in their order."""
    tallies: defaultdict[datetime, HourTally] = defaultdict(HourTally)
    for row in batches:
        names = await book.names(conn, tenant_id, row["ruleset"])
        if rules := assigned_rules(row["inputs"], names.names):
            tallies[hour_of(row["at"])].add(row["at"], rules)
        # Whoever routes in this process comes in between.
        await asyncio.sleep(0)
    return dict(tallies)


async def _trends(
    conn: Connection,
    tenant: WatchedTenant,
    stored: dict[str, Any],
    tallies: Mapping[datetime, HourTally],
    rules: RuleNames,
) -> dict[str, Any]:
    """The stored trends, gone on with what was assigned, hour by hour."""
    known, counted, assigned_at = read_trends(stored), stored.get(_MINUTE, 0), stored.get(_ASSIGNED_AT)
    for hour, tally in tallies.items():
        usual = await _usual(conn, tenant, hour, rules)
        new_minutes = sum(minute > counted for minute in tally.minutes[""])
        counted, total = max(counted, *tally.minutes[""]), tally.leads[""]
        known = {
            name: trend.at_unusual_time(tally.leads[name]) for name, trend in known.items() if name not in usual
        } | {
            name: known.get(name, Trend()).after(tally.leads[name], total, new_minutes, of)
            for name, of in usual.items()
        }
        assigned_at = tally.last_at.isoformat() if tally.last_at else assigned_at
    written = {name: [trend.missed, trend.got, trend.usual, trend.of] for name, trend in known.items()}
    return {_MINUTE: counted, _ASSIGNED_AT: assigned_at, "rules": written}


async def _usual(conn: Connection, tenant: WatchedTenant, hour: datetime, rules: RuleNames) -> dict[str, Usual]:
    """Nothing of rules that have a holiday: what their leads lack would else be missed on the day after."""
    rows = await store.counts_of(conn, tenant.tenant_id, same_hours(hour, tenant.time_zone))
    leads, minutes = by_hour(rows, RULE)
    usual = usual_rules(hour, tenant.time_zone, leads, minutes)
    off = rules.on_holiday(usual.keys() | set(rules.names), hour, tenant.time_zone)
    return {name: of for name, of in usual.items() if name not in off}


def by_hour(rows: Sequence[Row], what: str) -> tuple[Counts, Counts]:
    """Leads and minutes of stored counts, by hour and name."""
    leads: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    minutes: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row["what"] == what:
            leads[row["hour"]][row["name"]] = row["leads"]
            minutes[row["hour"]][row["name"]] = row["minutes"]
    return leads, minutes


def read_trends(stored: Mapping[str, Any]) -> dict[str, Trend]:
    """By rule name."""
    return {name: Trend(*values) for name, values in stored.get("rules", {}).items()}


def last_assigned(stored: Mapping[str, Any]) -> datetime | None:
    """When a batch last assigned anything; where none has since counting began, that."""
    at = stored.get(_ASSIGNED_AT)
    return None if at is None else datetime.fromisoformat(at)

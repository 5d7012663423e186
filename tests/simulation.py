"""A random life of one tenant, and oracles that look at the database with other eyes than the engine's.

The oracles know nothing of wake keys, credits or batches: they read tables, walk the rules naively and count.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import asyncpg

from router.domain.conditions import FactCondition, NoneOf, Prefix, Present, Range
from router.domain.rep_fields import read_field
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Created, DateRange, Rule, Ruleset
from router.domain.working_hours import WeekHours
from router.drain.drain import Drain
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections, Part
from router.store.roster import load_roster, set_rep
from router.store.rulesets import load_ruleset
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv

ZONE = "America/New_York"
REGIONS = ("East", "West", "North", "nowhere")
INDUSTRIES = ("Automation", "Food", None)
GROUPS = ("east", "west", "night", "vip", "ghost")

REPS = 16

RULESETS = (
    """
defaults: {max_open: 15, max_per_day: 8}
weights: {region_match: 2.0}
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 90m}
  - {name: east-today, match: {created: today, region: East}, assign_to: group:east, on_no_candidate: wait}
  - {name: east, match: {region: [East, North]}, assign_to: group:night}
  - {name: fresh-west, match: {created: {within: 3h}, region: West}, assign_to: group:west, on_no_candidate: wait}
  - {name: rest, match: {industry: [Automation, Food]}, assign_to: group:vip}
""",
    """
defaults: {max_open: 10, max_per_day: 9}
rules:
  - {name: vip, match: {priority: {from: 3}}, assign_to: group:vip}
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 20m}
  - {name: fair, match: {date: {from: 2026-03-08, to: 2026-03-09}, region: East}, assign_to: group:west}
  - {name: yesterday, match: {created: yesterday}, assign_to: group:night}
  - {name: ghosts, match: {region: {prefix: nor}}, assign_to: group:ghost, on_no_candidate: wait}
  - {name: newcomers, match: {known_customer: false, region: {not: North, present: true}}, assign_to: group:west}
  - {name: office, match: {}, assign_to: group:east, window: "mon-sun 08:00-20:00"}
""",
    """
defaults: {max_open: 20, max_per_day: 6}
rules:
  - {name: owner, match: {}, assign_to: owner}
  - {name: everyone, match: {}, assign_to: group:vip}
  - {name: one, match: {region: West}, assign_to: "rep:r3", on_no_candidate: wait}
  - {name: others, match: {}, assign_to: group:night, owns: no}
""",
    """
defaults: {max_open: 12, max_per_day: 8}
groups:
  night: {calendar: {country: RU, working_hours: "mon-sun 06:00-22:00"}}
  west: {time_zone: Asia/Shanghai, calendar: {country: none}}
rules:
  - name: fresh-keys
    match: {company: [ACME GmbH, 海尔], created: today}
    assign_to: group:east
    on_no_candidate: wait
  - {name: big, match: {attributes.budget: {from: 1000, to: 5000, not: [2500]}}, assign_to: group:night}
  - {name: no-budget, match: {attributes.budget: {present: false}, region: East}, assign_to: group:west}
  - {name: rest, match: {company: {not: Other}}, assign_to: group:vip}
""",
)

COMPANIES = {
    None: "",
    "Acme": "acme",
    "ACME G.m.b.H.": "acme",
    "海尔集团": "海尔集团",
    "海尔有限公司": "海尔",
    "Other": "other",
}
BUDGETS: dict[str | None, Fraction | None] = {
    None: None,
    "1000": Fraction(1000),
    '"5000.0"': Fraction(5000),
    '"5000.01"': Fraction(500001, 100),
    "2500": Fraction(2500),
    '"much"': None,
    '"2.500"': None,
    "[3000]": None,
    "999.999": Fraction(999999, 1000),
}
RUSSIAN_HOLIDAYS = (date(2026, 3, 8), date(2026, 3, 9))
HOURS = ("", "", "mon-sun 09:00-17:00", "mon-fri 20:00-04:00", "mon-sun 00:00-12:00")
REP_ZONES = (ZONE, "Asia/Shanghai", "Europe/Berlin")


class OracleError(AssertionError):
    """The database shows something that must never be."""


@dataclass
class Simulation:
    """One life: `step` does something at random, `settle` drains until nobody finds work, `check` looks."""

    tenant: Tenancy
    connections: Connections
    rng: random.Random
    now: datetime
    drains: list[Drain]
    batch: int
    more: random.Random
    rulesets: Sequence[str]
    number: int = 0

    @classmethod
    async def begin(
        cls, conn: asyncpg.Connection, connections: Connections, seed: int, rulesets: Sequence[str] = RULESETS
    ) -> "Simulation":
        """What only some rulesets ask for is drawn apart, so that lives without these stay as they were."""
        rng, more = random.Random(seed), random.Random(seed + 10_000)
        holidays = ("", "", "RU", "none") if rulesets == RULESETS else ("",)
        rows = [
            f"r{i},Rep {i},{rng.choice(['yes', 'yes', 'yes', 'no'])},{rng.choice(REP_ZONES)},{rng.choice(HOURS)},"
            f"{';'.join(rng.sample(GROUPS[:4], rng.randint(0, 3)))},{rng.choice([1, 2, 0.5])},"
            f"{rng.choice(['', '', '3'])},{rng.choice(['', '', '2'])},{more.choice(holidays)}"
            for i in range(1, REPS + 1)
        ]
        header = "rep_id,name,available,time_zone,working_hours,groups,weight,max_open,max_per_day,holidays"
        tenant = await make_tenant(conn, reps_csv(rows, header), RULESETS[0], zone=ZONE)
        # The clocks of New York go forward on 2026-03-08.
        now = datetime(2026, 3, 6, 13, 0, tzinfo=UTC)
        batch = rng.choice([3, 10, 50])
        drains = [a_drain(connections, seed=seed * 10 + i, ready=batch) for i in range(2)]
        return cls(tenant, connections, rng, now, drains, batch, more, rulesets)

    async def step(self) -> None:
        """Time passes, something happens, perhaps while somebody else has rows locked and two routers drain."""
        self.now += timedelta(minutes=self.rng.choice([0, 1, 7, 31, 60, 240, 600]))
        for act in self.rng.sample([self._arrive, self._arrive, self._finish, self._flip, self._rule], 2):
            await act()
        if self.rng.random() < 0.4:
            await self._drain_beside_a_locker()
        if self.rng.random() < 0.3:
            await self._arrive()

    async def settle(self) -> None:
        """Both routers drain the tenants that have work, as the service does, until there is none.

        A second passes first: rows that were locked are looked at again half a second later.
        """
        self.now += timedelta(seconds=1)
        for _ in range(200):
            if not any(await asyncio.gather(*(self._turn(drain) for drain in self.drains))):
                return
        raise OracleError(f"the tenant never settles at {self.now}")

    async def _turn(self, drain: Drain) -> bool:
        """One look for work, and a turn where there is some; answers whether there was."""
        tenants = await drain.tenants_with_work(self.now)
        for tenant_id in tenants:
            await drain.drain_tenant(tenant_id, now=self.now)
        return bool(tenants)

    # What happens

    async def _arrive(self) -> None:
        count = self.rng.choice([1, 3, 12])
        leads = []
        for _ in range(count):
            self.number += 1
            age = timedelta(minutes=self.rng.choice([0, 5, 200, 1500, 3000]))
            customer = self.rng.choice([None, f"c{self.rng.randint(1, 12)}"])
            budget = self.more.choice(list(BUDGETS))
            leads.append(
                lead(
                    self.number,
                    created_at=self.now - age,
                    region=self.rng.choice(REGIONS),
                    industry=self.rng.choice(INDUSTRIES),
                    product=f"p{self.number}",
                    declared_customer=customer,
                    priority=self.rng.choice([0, 0, 0, 5]),
                    company=self.more.choice(list(COMPANIES)),
                    attributes=None if budget is None else f'{{"budget": {budget}, "note": "x"}}',
                )
            )
        await self.tenant.accept(leads, self.now)

    async def _finish(self) -> None:
        conn, tenant_id = self.tenant.conn, self.tenant.tenant_id
        rows = await conn.fetch("select lead_id from assignment where tenant_id = $1 order by lead_id", tenant_id)
        for row in self.rng.sample(rows, min(len(rows), self.rng.choice([1, 2, 8]))):
            await end(conn, tenant_id, row["lead_id"], self.rng.choice(list(Ending)), self.now)

    async def _flip(self) -> None:
        field_name, texts = self.rng.choice(
            [
                ("available", ("yes", "yes", "no")),
                ("active", ("yes", "yes", "yes", "no")),
                ("groups", ("east", "west;vip", "night;east", "")),
                ("max_open", ("0", "4", "20", "40")),
                ("max_per_day", ("0", "2", "9", "20")),
                ("weight", ("0", "1", "3")),
            ]
        )
        rep = f"r{self.rng.randint(1, REPS)}"
        value = read_field(field_name, self.rng.choice(texts))
        await set_rep(self.tenant.conn, self.tenant.tenant_id, rep, {field_name: value}, "simulation")

    async def _rule(self) -> None:
        if self.rng.random() < 0.3:
            await self.tenant.rules(self.rng.choice(self.rulesets))

    async def _drain_beside_a_locker(self) -> None:
        """Somebody else's transaction holds some of the pool's rows while both routers drain."""
        async with self.connections.acquire(Part.DUTIES) as other, other.transaction():
            share = self.rng.choice([0.2, 0.7])
            await other.execute("select setseed($1)", self.rng.random())
            await other.fetch("select from lead_pool where random() < $1 for update skip locked", share)
            for _ in range(4):
                await asyncio.gather(*(d.drain_tenant(self.tenant.tenant_id, now=self.now) for d in self.drains))

    # What must be true

    async def check(self) -> None:
        """Raises OracleError for the first thing that must not be."""
        oracle = await Oracle.look(self.tenant, self.now)
        oracle.every_lead_in_one_state(self.number)
        oracle.caps_hold()
        oracle.nobody_waits_for_a_free_rep()
        oracle.everybody_knows_when_to_look_again()


@dataclass
class Oracle:
    """The tables of a tenant at one moment, read plainly."""

    now: datetime
    ruleset: Ruleset
    roster: Roster
    states: dict[int, list[str]]
    pool: list[asyncpg.Record]
    opened: Counter[int]
    today: Counter[int]
    believed: dict[int, tuple[int, int]]
    owners: dict[int, int]

    @classmethod
    async def look(cls, tenant: Tenancy, now: datetime) -> "Oracle":
        conn, tenant_id = tenant.conn, tenant.tenant_id
        row = await conn.fetchrow("select ruleset, roster from tenant where tenant_id = $1", tenant_id)
        assert row is not None
        given = await conn.fetch(
            """select rep_no, assigned_at, true as open from assignment where tenant_id = $1
               union all select rep_no, assigned_at, false from assignment_history where tenant_id = $1""",
            tenant_id,
        )
        states: dict[int, list[str]] = {r["lead_id"]: [] for r in await conn.fetch("select lead_id from lead")}
        for table in ("lead_pool", "assignment", "parked", "merged", "closed"):
            for found in await conn.fetch(f"select lead_id from {table} where tenant_id = $1", tenant_id):
                states.setdefault(found["lead_id"], ["no lead"]).append(table)
        day = _date(now)
        believed = await conn.fetch(
            """select l.rep_no, l.open + coalesce(sum(i.open_delta), 0)::int, l.today, l.day
                 from rep_load l left join lane_inbox i on i.tenant_id = l.tenant_id and i.rep_no = l.rep_no
                where l.tenant_id = $1 group by l.rep_no, l.open, l.today, l.day""",
            tenant_id,
        )
        owners = await conn.fetch("select customer_id, rep_no from customer_owner where tenant_id = $1", tenant_id)
        return cls(
            now,
            await load_ruleset(conn, tenant_id, row["ruleset"]),
            await load_roster(conn, tenant_id, row["roster"]),
            states,
            await conn.fetch(
                """select p.*, l.company, (l.attributes -> 'budget')::text as "attributes.budget"
                     from lead_pool p join lead l on l.tenant_id = p.tenant_id and l.lead_id = p.lead_id
                    where p.tenant_id = $1""",
                tenant_id,
            ),
            Counter(r["rep_no"] for r in given if r["open"]),
            Counter(r["rep_no"] for r in given if _date(r["assigned_at"]) == day),
            {r[0]: (r[1], r[2] if r[3] == day else 0) for r in believed},
            {r["customer_id"]: r["rep_no"] for r in owners},
        )

    def every_lead_in_one_state(self, accepted: int) -> None:
        wrong = {lead_id: where for lead_id, where in self.states.items() if len(where) != 1}
        if wrong or len(self.states) != accepted:
            raise OracleError(f"{accepted} accepted, {len(self.states)} there; not in one state: {wrong}")

    def caps_hold(self) -> None:
        """What the lane believes is what the tables say; caps are judged when a lead is given, see `watch`."""
        for rep in self.roster.reps:
            true = (self.opened[rep.no], self.today[rep.no])
            if self.believed.get(rep.no, (0, 0)) != true:
                raise OracleError(f"rep {rep.rep_id}: the lane believes {self.believed.get(rep.no)}, true is {true}")

    def nobody_waits_for_a_free_rep(self) -> None:
        for row in self.pool:
            if row["wake_key"] == 0:
                raise OracleError(f"lead {row['lead_id']} is ready and nobody takes it")
            taker = self._taker(row)
            if taker:
                raise OracleError(f"lead {row['lead_id']} waits although {taker} at {self.now}")

    def everybody_knows_when_to_look_again(self) -> None:
        for row in self.pool:
            if row["recheck_at"] is None or row["recheck_at"] <= self.now:
                raise OracleError(f"lead {row['lead_id']} was to be looked at {row['recheck_at']}, now is {self.now}")

    def can(self, rep: Rep) -> bool:
        """Whether a rep may take a lead now, whatever the weight."""
        defaults = self.ruleset.defaults
        max_open = defaults.max_open if rep.max_open is None else rep.max_open
        max_per_day = defaults.max_per_day if rep.max_per_day is None else rep.max_per_day
        return (
            rep.active
            and rep.available
            and self._at_work(rep)
            and (max_open is None or self.opened[rep.no] < max_open)
            and (max_per_day is None or self.today[rep.no] < max_per_day)
        )

    def _at_work(self, rep: Rep) -> bool:
        """By the rep's own hours, zone and holidays, else by those of the first group that the rules name."""
        mine = [one for one in self.ruleset.groups if self.roster.group_numbers[one.group] in rep.groups]
        zone, hours, country = rep.time_zone, rep.working_hours, rep.holidays
        for group in reversed(mine):
            zone = group.time_zone or zone if rep.time_zone == ZONE else zone
            hours = rep.working_hours or group.working_hours or hours
            country = rep.holidays or group.country or country
        if country == "RU" and self.now.astimezone(ZoneInfo(zone)).date() in RUSSIAN_HOLIDAYS:
            return False
        return hours is None or _open_at(hours, zone, self.now)

    def _taker(self, row: asyncpg.Record) -> str:
        """Who could take the lead by the rules, walked naively; empty = nobody."""
        reps = {rep.no: rep for rep in self.roster.reps}
        owner = self.owners.get(row["customer_id"])
        excluded = row["excluded"] or []
        for rule in self.ruleset.rules:
            if not self._matches(rule, row, owner) or not self._window_open(rule):
                if self._matches(rule, row, owner) and rule.wait:
                    return ""
                continue
            if rule.group is None:
                if owner is None or owner in excluded or owner not in reps or not reps[owner].active:
                    continue
                if self.can(reps[owner]):
                    return f"its owner {reps[owner].rep_id} is free"
                if self.now < row["queued_at"] + (rule.fall_back_after or timedelta(0)):
                    return ""
                continue
            for rep in self.roster.reps:
                if self._named(rule, rep) and rep.weight > 0 and rep.no not in excluded and self.can(rep):
                    return f"{rep.rep_id} of {rule.group} is free by rule {rule.name}"
            if rule.wait:
                return ""
        return ""

    def _named(self, rule: Rule, rep: Rep) -> bool:
        """Whether a rule for a group, or for one rep, means the rep."""
        assert rule.group is not None
        return rep.rep_id == rule.rep if rule.rep else self.roster.group_numbers[rule.group] in rep.groups

    def _matches(self, rule: Rule, row: asyncpg.Record, owner: int | None) -> bool:
        match = rule.match
        listed = all(_said(row, c.field) in c.values for c in match.one_of)
        if not listed or not all(_other_holds(other, row) for other in match.others):
            return False
        out = match.date is not None and not _in_dates(match.date, _date(self.now))
        if out or (match.priority is not None and -row["rank"] not in match.priority):
            return False
        if match.known_customer is not None and match.known_customer != (owner is not None):
            return False
        today = _date(self.now)
        if match.created is Created.TODAY:
            return _date(row["created_at"]) == today
        if match.created is Created.YESTERDAY:
            return _date(row["created_at"]) == today - timedelta(days=1)
        return match.created is None or self.now - row["created_at"] < match.created

    def _window_open(self, rule: Rule) -> bool:
        return rule.window is None or _open_at(rule.window, ZONE, self.now)


def _in_dates(dates: DateRange, day: date) -> bool:
    return (dates.first or date.min) <= day <= (dates.last or date.max)


def _said(row: asyncpg.Record, field: str) -> str:
    return COMPANIES[row["company"]] if field == "company" else (row[field] or "").casefold()


def _other_holds(condition: FactCondition, row: asyncpg.Record) -> bool:
    value = row[condition.field]
    if isinstance(condition, Present):
        return (value is not None) == condition.present
    if condition.field == "attributes.budget":
        number = BUDGETS[value]
        if isinstance(condition, NoneOf):
            return number not in {Fraction(one) for one in condition.values}
        assert isinstance(condition, Range) and condition.least is not None and condition.most is not None
        return number is not None and Fraction(condition.least) <= number <= Fraction(condition.most)
    if isinstance(condition, NoneOf):
        return (value or "").casefold() not in condition.values
    assert isinstance(condition, Prefix)
    return any((value or "").casefold().startswith(start) for start in condition.values)


def _date(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(ZONE)).date()


def _open_at(week: WeekHours, zone: str, now: datetime) -> bool:
    local = now.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    return any(start <= minute < stop for start, stop in week.days[local.weekday()])

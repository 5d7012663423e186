"""One small world for every kind of answer that `lead-router why` gives; all times are given, so the texts repeat."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from ops.waiting.restamp import Done, Restamp
from ops.waiting.restamp_ask import Ask
from ops.why.collect import why
from ops.why.description import LeadDescription
from router.domain.lead_in import LeadIn
from router.manual.assign import assign_by_hand
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.tenants import tenant_named
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

# A Monday, 10:00 in Shanghai.
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = "rep_id,name,available,time_zone,groups,max_open,max_per_day,weight,regions"
REPS = [
    "r1,李雷,yes,Asia/Shanghai,all;one,10,2,1,Hangzhou",
    "r2,王芳,yes,Asia/Shanghai,all;two,1,10,2,",
    "r3,Cy,no,Asia/Shanghai,all;away,,,1,",
    "r4,Di,yes,America/New_York,all;away,,,1,",
    "r5,Eve,yes,Asia/Shanghai,all,10,2,0,",
]
CALENDAR = """
calendar: {working_hours: {mon-fri: "09:00-18:00"}}
defaults: {max_open: 200, max_per_day: 60}
weights: {region_match: 2.0}
rules:
"""
OWNER = "  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}\n"
ALL = '  - {name: everyone, match: {}, assign_to: "group:all"}\n'
FRESH = '  - {name: fresh, match: {created: {within: 2h}, region: [Beijing]}, assign_to: "group:nobody"}\n'


@dataclass(frozen=True, slots=True)
class World:
    """A fresh tenant under some rules."""

    tenant: Tenancy
    connections: Connections

    async def route(self, *leads: LeadIn, at: datetime = NOW) -> None:
        """Accepts leads and drains."""
        await self.tenant.accept(leads, at)
        await settle(a_drain(self.connections), self.tenant.tenant_id, at)

    async def end(self, number: int, ending: Ending, at: datetime) -> None:
        await end(self.tenant.conn, self.tenant.tenant_id, await self.lead_id(number), ending, at)

    async def lead_id(self, number: int) -> int:
        found = await self.tenant.conn.fetchval("select lead_id from lead where external_id = $1", f"e{number}")
        assert isinstance(found, int)
        return found

    async def why(self, number: int, at: datetime = NOW, rep_id: str | None = None) -> LeadDescription:
        found = FoundLead(self.tenant.tenant_id, await self.lead_id(number))
        return await why(self.tenant.conn, found, now=at, rep_id=rep_id)


Case = Callable[[World], Awaitable[LeadDescription]]
CASES: dict[str, tuple[str, Case]] = {}


def case(rules: str) -> Callable[[Case], Case]:
    """A case, named like its function, under these rules."""

    def add(made: Case) -> Case:
        CASES[made.__name__] = (CALENDAR + rules, made)
        return made

    return add


async def story_of(name: str, conn: asyncpg.Connection, connections: Connections) -> LeadDescription:
    """Builds the world of a case and asks."""
    rules, made = CASES[name]
    tenant = await make_tenant(conn, reps_csv(REPS, HEADER), rules, zone="Asia/Shanghai")
    return await made(World(tenant, connections))


def some(number: int, region: str = "Hangzhou", **fields: object) -> LeadIn:
    return lead(number, name=f"n{number}", region=region, **fields)


@case(OWNER + FRESH + ALL + '  - {name: never-reached, match: {}, assign_to: "group:all"}\n')
async def assigned_by_share(world: World) -> LeadDescription:
    await world.route(*(some(number) for number in (1, 2, 3)))
    return await world.why(2)


@case(ALL)
async def assigned_while_another_was_owed_more(world: World) -> LeadDescription:
    """The other is owed half a lead, but has been given one by hand, and may have no second."""
    await world.route(some(1))
    tenant = world.tenant
    await tenant.accept([some(2)], NOW)
    given = {"actor": "lee", "note": "", "token": 1, "now": NOW}
    await assign_by_hand(tenant.conn, tenant.tenant_id, await world.lead_id(2), "r2", **given)  # type: ignore[arg-type]
    await world.route(some(3))
    return await world.why(3)


@case(OWNER + ALL)
async def assigned_by_owner(world: World) -> LeadDescription:
    """The customer's earlier leads: one won, one merged into it, one given back to nobody yet."""
    await world.route(some(1, declared_customer="c1", product="robot"))
    await world.route(some(2, declared_customer="c1", product="robot")._replace(name="n1"), at=NOW + HOUR)
    await world.end(1, Ending.WON, NOW + 3 * HOUR)
    later = NOW + timedelta(days=7)
    await world.route(some(3, declared_customer="c1", product="drive"), at=later)
    return await world.why(3, later + HOUR)


@case(OWNER + ALL)
async def customer_with_a_long_history(world: World) -> LeadDescription:
    """Lost, returned and waiting for another, still worked on, waiting for the first time, and more than are shown."""

    def again(number: int, **fields: object) -> LeadIn:
        return lead(number, name="n", region="Hangzhou", declared_customer="c1", **fields)

    for number in range(1, 8):
        day = NOW + timedelta(days=number // 2)
        await world.route(again(number, product=f"p{number}", created_at=day), at=day)
    await world.end(4, Ending.LOST, NOW + timedelta(days=4))
    await world.end(5, Ending.RETURNED, NOW + timedelta(days=4))
    last = NOW + timedelta(days=4, hours=1)
    await world.tenant.accept([again(number, product=f"q{number}") for number in (8, 9)], last)
    return await world.why(9, last)


@case(ALL)
async def assigned_by_hand(world: World) -> LeadDescription:
    await world.route(some(1))
    lead_id, at = await world.lead_id(1), NOW + HOUR
    tenant = world.tenant
    given = {"actor": "lee", "note": "客户指名", "token": 1, "now": at}
    await assign_by_hand(tenant.conn, tenant.tenant_id, lead_id, "r5", **given)  # type: ignore[arg-type]
    return await world.why(1, at)


@case(FRESH + '  - {name: rest, match: {}, assign_to: "group:nobody", on_no_candidate: wait}\n')
async def waiting_group_empty(world: World) -> LeadDescription:
    await world.route(some(1, region="Beijing"))
    return await world.why(1)


@case('  - {name: away, match: {}, assign_to: "group:away"}\n')
async def waiting_nobody_available(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1)


@case('  - {name: one, match: {}, assign_to: "group:one", on_no_candidate: wait}\n')
async def waiting_all_at_daily_cap(world: World) -> LeadDescription:
    await world.route(*(some(number) for number in (1, 2, 3)))
    return await world.why(3, NOW + HOUR)


@case('  - {name: two, match: {}, assign_to: "group:two"}\n')
async def waiting_all_at_open_cap(world: World) -> LeadDescription:
    await world.route(some(1), some(2))
    return await world.why(2, NOW + HOUR)


@case('  - {name: evening, match: {}, assign_to: "group:all", window: {mon-fri: "18:00-20:00"}}\n')
async def waiting_outside_window(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1)


@case(
    "  - {name: fair, match: {date: {from: 2026-03-03, to: 2026-03-06}}, assign_to: 'group:all'}\n"
    "  - {name: today, match: {date: {to: 2026-03-02}}, assign_to: 'rep:r3'}\n"
    "  - {name: helps-out, match: {}, assign_to: 'rep:r2', owns: no}\n"
)
async def assigned_to_one_rep_before_the_fair(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1)


@case(
    "  - {name: big, match: {attributes.budget: {from: 100000}}, assign_to: 'group:all'}\n"
    "  - {name: account, match: {company: Acme GmbH, phone_region: DE}, assign_to: 'group:one'}\n"
    "  - {name: rest, match: {company: {present: true}}, assign_to: 'group:all'}\n"
    "groups: {one: {calendar: {country: ET}}}\n"
)
async def assigned_past_a_budget_that_is_not_a_number_and_a_holiday(world: World) -> LeadDescription:
    said = {"attributes": '{"budget": "100.000 €"}', "company": "ACME, Inc.", "phone": "+4915112345678"}
    await world.route(some(1, **said))
    return await world.why(1)


@case('  - {name: late, match: {}, assign_to: "group:away"}\npresence: {groups: [away]}\n')
async def waiting_with_presence_unknown(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1)


@case(OWNER + ALL)
async def received_without_a_source(world: World) -> LeadDescription:
    alone = [LeadIn("", f"e{n}", declared_customer="c1", product=f"p{n}", region="Hangzhou") for n in (1, 2)]
    await world.route(*alone)
    return await world.why(2)


@case(OWNER + ALL)
async def waiting_owner_unavailable(world: World) -> LeadDescription:
    await world.route(some(1, declared_customer="c1", product="robot"))
    away = [row.replace("r1,李雷,yes", "r1,李雷,no") for row in REPS]
    await world.tenant.roster(reps_csv(away, HEADER))
    await world.route(some(2, declared_customer="c1", product="drive"), at=NOW + HOUR)
    return await world.why(2, NOW + HOUR)


@case(OWNER + ALL)
async def waiting_owner_at_cap(world: World) -> LeadDescription:
    await world.route(*(some(n, declared_customer="c1", product=f"p{n}") for n in (1, 2, 3)))
    return await world.why(3)


@case('  - {name: urgent, match: {region: [Shanghai, Suzhou], priority: [5]}, assign_to: "group:all"}\n')
async def waiting_no_matching_rule(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1)


@case(ALL)
async def waiting_paused(world: World) -> LeadDescription:
    await world.tenant.accept([some(1)], NOW)
    await world.tenant.conn.execute("update lane set paused_until = $1, paused_why = '月底盘点'", NOW + HOUR)
    return await world.why(1)


@case(ALL)
async def waiting_under_older_rules(world: World) -> LeadDescription:
    await world.route(*(some(number) for number in range(1, 5)))
    await world.tenant.rules(CALENDAR + ALL + "# changed\n")
    return await world.why(4)


@case(ALL)
async def never_tried(world: World) -> LeadDescription:
    await world.tenant.accept([some(1), some(2), some(3)], NOW)
    return await world.why(3, NOW + timedelta(minutes=25))


@case(ALL)
async def given_back(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.end(1, Ending.RETURNED, NOW + HOUR)
    return await world.why(1, NOW + HOUR + timedelta(minutes=5))


@case(ALL)
async def given_back_and_given_again(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.end(1, Ending.RETURNED, NOW + HOUR)
    await world.route(at=NOW + HOUR)
    return await world.why(1, NOW + HOUR)


@case('  - {name: two, match: {}, assign_to: "group:two"}\n')
async def given_back_by_the_only_rep_on_duty(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.end(1, Ending.RETURNED, NOW + HOUR)
    await world.route(at=NOW + HOUR)
    return await world.why(1, NOW + HOUR)


@case("  - {name: known, match: {known_customer: true}, assign_to: owner}\n" + ALL)
async def waiting_past_an_owner_for_whom_no_rule_waits(world: World) -> LeadDescription:
    await world.route(some(1, declared_customer="c"))
    await world.route(some(2), some(3))
    await world.route(some(4, declared_customer="c"), at=NOW + HOUR)
    return await world.why(4, NOW + HOUR)


@case(ALL)
async def parked_invalid(world: World) -> LeadDescription:
    await world.route(lead(1, invalid="no source"))
    return await world.why(1)


@case(FRESH + ALL)
async def parked_because_deciding_failed(world: World) -> LeadDescription:
    await world.route(some(1, region="Beijing", created_at=datetime(9999, 12, 31, 23, tzinfo=UTC)))
    return await world.why(1)


@case("  - {name: urgent, match: {priority: [5]}, assign_to: owner}\n")
async def parked_after_too_long(world: World) -> LeadDescription:
    await world.route(some(1))
    later = NOW + timedelta(days=40)
    await world.route(at=later)
    return await world.why(1, later)


@case(ALL)
async def merged(world: World) -> LeadDescription:
    same = [lead(n, declared_customer="c1", name="Same", region="Hangzhou") for n in (1, 2)]
    await world.route(*same)
    return await world.why(2)


@case(ALL)
async def closed(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.end(1, Ending.WON, NOW + timedelta(days=1))
    return await world.why(1, NOW + timedelta(days=2))


LATER = '  - {name: later, match: {}, assign_to: "group:away"}\n'


@case(OWNER + ALL)
async def rep_who_was_a_candidate(world: World) -> LeadDescription:
    await world.route(*(some(number) for number in (1, 2, 3)))
    return await world.why(2, rep_id="r1")


@case(OWNER + ALL)
async def rep_who_got_it(world: World) -> LeadDescription:
    await world.route(*(some(number) for number in (1, 2, 3)))
    return await world.why(2, rep_id="r2")


@case(ALL + LATER)
async def rep_who_was_left_out(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1, rep_id="r4")


@case('  - {name: one, match: {}, assign_to: "group:one"}\n' + FRESH.replace("nobody", "two") + ALL)
async def rep_whose_rules_came_later_or_did_not_match(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1, rep_id="r2")


@case(FRESH.replace("nobody", "two"))
async def rep_whose_rules_do_not_match_a_waiting_lead(world: World) -> LeadDescription:
    await world.route(some(1))
    return await world.why(1, rep_id="r2")


@case('  - {name: two, match: {}, assign_to: "group:two"}\n')
async def rep_to_whom_no_rule_assigns(world: World) -> LeadDescription:
    await world.route(some(1), some(2))
    return await world.why(2, rep_id="r1")


@case(ALL)
async def rep_of_a_lead_assigned_by_hand(world: World) -> LeadDescription:
    await world.tenant.accept([some(1)], NOW)
    tenant = world.tenant
    given = {"actor": "lee", "note": "", "token": 1, "now": NOW}
    await assign_by_hand(tenant.conn, tenant.tenant_id, await world.lead_id(1), "r2", **given)  # type: ignore[arg-type]
    return await world.why(1, rep_id="r1")


@case(ALL)
async def rep_of_a_merged_lead(world: World) -> LeadDescription:
    await world.route(*(lead(n, declared_customer="c1", name="Same", region="Hangzhou") for n in (1, 2)))
    return await world.why(2, rep_id="r1")


@case(ALL)
async def rep_of_a_lead_that_was_never_tried(world: World) -> LeadDescription:
    await world.tenant.accept([some(1)], NOW)
    return await world.why(1, rep_id="r2")


@case(ALL)
async def rep_of_a_closed_lead(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.end(1, Ending.WON, NOW + HOUR)
    return await world.why(1, NOW + HOUR, rep_id="r3")


@case(ALL)
async def rep_of_an_invalid_lead(world: World) -> LeadDescription:
    await world.route(lead(1, invalid="no source"))
    return await world.why(1, rep_id="r1")


@case(ALL)
async def rep_who_came_after_the_decision(world: World) -> LeadDescription:
    await world.route(some(1))
    await world.tenant.roster(reps_csv([*REPS, "r6,Fay,yes,Asia/Shanghai,all,,,1,"], HEADER))
    return await world.why(1, rep_id="r6")


@case(FRESH + '  - {name: rest, match: {created: {within: 2h}}, assign_to: "group:one"}\n')
async def assigned_after_its_creation_time_was_corrected(world: World) -> LeadDescription:
    """Its source wrote another time zone."""
    await world.route(some(1, created_at=NOW - timedelta(hours=8, minutes=2)))
    tenant, at = world.tenant, NOW + timedelta(minutes=30)
    ask = Ask(await tenant_named(tenant.conn, "acme"), "web", timedelta(hours=8))
    await Restamp(tenant.conn, lambda: 1).run(ask, "lee", "the form wrote UTC", Done(), lambda: None)
    await tenant.conn.execute("update lead_correction set corrected_at = $1", at)
    await settle(a_drain(world.connections, seed=2), tenant.tenant_id, at + timedelta(seconds=1))
    return await world.why(1, at + HOUR)

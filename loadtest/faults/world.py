"""The tenants of the fault suite: reps with caps that are met, rules that refuse, leads of every kind of fate."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime

from router.domain.lead_in import LeadIn
from router.intake.roster_file import read_roster
from router.store import rulesets, tenants
from router.store.roster import import_reps
from router.store.statements import Connection

SOURCE = "stream"
RULES = """
rules:
  - {name: known-customer, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - name: fresh-north
    match: {created: {within: 4h}, region: [north]}
    assign_to: "group:north"
    on_no_candidate: wait
  - {name: everyone, match: {region: [north, south]}, assign_to: "group:all"}
"""
# Deciding about this one fails, so it is parked.
BEYOND_TIME = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
NORTH, SOUTH, NOWHERE = "north", "south", "nowhere"
# Some are bounded by what is open, one by the day, the others take what comes.
ROSTER = """rep_id,name,available,time_zone,groups,max_open,max_per_day
r1,One,yes,UTC,all,1000000,1000000
r2,Two,yes,UTC,all,1000000,1000000
r3,Three,yes,UTC,all,50,1000000
r4,Four,yes,UTC,all,1000000,300
r5,Five,yes,UTC,north,15,1000000
"""


def noon_zone(now: datetime) -> str:
    """A zone in which no midnight comes soon."""
    ahead = (12 - now.hour) % 24
    return f"Etc/GMT-{ahead}" if ahead <= 14 else f"Etc/GMT+{24 - ahead}"


async def make_tenants(
    conn: Connection, count: int, now: datetime, *, roster: str = ROSTER, rules: str = RULES
) -> list[int]:
    """So many tenants of this kind; returns their numbers. `now` (UTC) only chooses a zone far from midnight."""
    made = []
    for number in range(1, count + 1):
        tenant = await tenants.add(conn, f"t{number}", noon_zone(now))
        await import_reps(conn, tenant.tenant_id, read_roster(roster.encode(), "reps.csv"), "faults")
        await rulesets.apply(conn, tenant.tenant_id, rules, "faults")
        made.append(tenant.tenant_id)
    return made


def some_leads(rng: random.Random, first: int, count: int, source: str = SOURCE) -> Sequence[LeadIn]:
    """Leads with numbers from `first`: of known and new customers, of all regions, some that cannot be decided."""
    return [
        LeadIn(
            source,
            f"e{number}",
            created_at=BEYOND_TIME if number % 211 == 7 else None,
            declared_customer=f"c{rng.randrange(200)}" if number % 4 == 0 else None,
            region=NOWHERE if number % 50 == 3 else rng.choice((NORTH, SOUTH, SOUTH, SOUTH)),
            product=f"p{number}",
            priority=rng.randrange(3),
        )
        for number in range(first, first + count)
    ]

"""What is there before the first command of a page: small tenants, made through the product's own doors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from loadtest.faults.clock import install_clock, set_clock_ahead
from router.domain.lead_in import LeadIn
from router.store.connections.connections import open_connections
from router.store.processes import OwnProcess
from tests.support import connected
from tests.world import Tenancy, a_drain, make_tenant, reps_csv, settle

GROUPS = "rep_id,name,available,groups"
ALL = "rules:\n  - {name: known-customer, match: {known_customer: true}, assign_to: owner}\n"
ALL += "  - {name: everyone, match: {}, assign_to: group:all}\n"


@dataclass(frozen=True, slots=True)
class World:
    """A tenant `acme` in Shanghai. `leads` = the number that each has, and what it says; `drained` = they are routed,
    and then those in `later` come; `hours_ago` = when all were created, where that is not now; `files` = what stands in
    the reader's folder.
    """

    reps: Sequence[str] = ("r001,Rep 1,yes,all", "r017,Rep 17,yes,all", "r018,Rep 18,yes,all")
    rules: str = ALL
    leads: Mapping[int, LeadIn] = field(default_factory=dict)
    later: Mapping[int, LeadIn] = field(default_factory=dict)
    drained: bool = False
    hours_ago: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, folder: Path, url: str) -> None:
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        conn = await asyncpg.connect(url)
        try:
            tenant = await make_tenant(conn, reps_csv(self.reps, GROUPS), self.rules, zone="Asia/Shanghai")
            await self._accept(tenant, self.leads)
            if self.drained:
                async with open_connections(url) as connections:
                    await settle(a_drain(connections), tenant.tenant_id)
            await self._accept(tenant, self.later)
        finally:
            await conn.close()

    async def _accept(self, tenant: Tenancy, leads: Mapping[int, LeadIn]) -> None:
        created = None if self.hours_ago is None else datetime.now(UTC) - timedelta(hours=self.hours_ago)
        for number, lead in leads.items():
            await tenant.conn.execute(f"alter sequence lead_lead_id_seq restart with {number}")
            await tenant.accept([lead._replace(created_at=created)])


def lead(external_id: str, source: str = "web", **fields: object) -> LeadIn:
    """One lead."""
    return LeadIn(source=source, external_id=external_id, **fields)  # type: ignore[arg-type]


WITH_REPS = World(
    leads={4711: lead("e-16", phone="+8613800138016"), 4712: lead("e-17", phone="+8613800138017")}, drained=True
)
"""Two leads that reps have."""
ONE_TO_PARK = World(leads={3: lead("W-2")})
WITHOUT_GROUP = World(reps=("a,Ann,yes,all", "b,Bob,yes,"))
EMPTY_GROUP = World(
    rules=ALL.replace("everyone", "wuhan").replace("group:all", "group:wuhan"),
    leads={3: lead("W-90221")},
    drained=True,
)
HAND_OVER = World(
    reps=("r017,Rep 17,yes,all", "r018,Rep 18,yes,other"), leads={1: lead("e-1"), 2: lead("e-2")}, drained=True
)
MISTAKEN = World(
    files={
        "rules.yaml": """# A file with three mistakes.
business_time_zone: Asia/Shanghai
default_phone_region: CN
calendar:
  country: CN
rules:
  - name: known-customer
    match: {known_customer: true}
    assign_to: owner
    fall_back_after: 30m

  # the north
  - name: north
    match: {regio: [Oslo], region: [NO]}
    assign_to: group:all
    fall_back_after: 30m
"""
    }
)
TRYING = World(
    reps=("e1,Eva,yes,east", "e2,Eve,no,east", "d1,Dan,yes,default"),
    files={
        "rules.yaml": """defaults: {max_open: 200, max_per_day: 60}
rules:
  - {name: known-customer, match: {known_customer: true}, assign_to: owner}
  - {name: east, match: {region: Shanghai}, assign_to: group:east}
  - {name: west, match: {region: Chengdu}, assign_to: group:default}
  - {name: everything-else, match: {}, assign_to: group:default}
"""
    },
)
REPLAYED = World(
    reps=("r1,Ann,yes,all", "r2,Bo,yes,all"),
    leads={number: lead(f"e-{number}") for number in range(1, 6)},
    drained=True,
    files={"new.yaml": ALL},
)
CUSTOMERS = World(
    leads={1: lead("e-1", name="Ann", phone="+8613800138000"), 2: lead("e-2", name="Bo", phone="+8613900139000")},
    files={
        "match.yaml": "shared_above: 5\n",
        "leads.csv": "external_id,source,name,phone\nL-1,web,Cy,+8613700137000\n",
        "mapping.yaml": "time_zone: Asia/Shanghai\n",
    },
)
UNMATCHED = World(
    rules="rules:\n  - {name: known-customer, match: {known_customer: true}, assign_to: owner}\n",
    leads={number: lead(f"e-{number}") for number in range(1, 4)},
    drained=True,
)
CHANGED = World(
    leads={3001: lead("L-3001", product="pump", phone="+8613800138001")},
    later={
        1043: lead("L-1043", region="shanghai", phone="+8613800138002"),
        2210: lead("L-2210", name="Ann", phone="+8613800138003", email="ann@x.example"),
    },
    drained=True,
    files={
        "changed.csv": """external_id,source,name,phone,email,region,product
L-3001,web,,+8613800138001,,,valve
L-1043,web,,+8613800138002,,hangzhou,
L-2210,web,Bo,+8613800138004,bo@x.example,,
L-4000,web,Cy,+8613800138005,,,
""",
        "leads.csv": "external_id,source,phone\nL-1,web,+8613800138007\nL-2,web,+8613800138008\n",
    },
)
OTHER_SOURCE = World(
    leads={1: lead("INC1", "phone", phone="+8613800138001")},
    files={"email.csv": "external_id,source,phone\nINC1,email,+8613800138001\n"},
)
SYNONYMS = World(
    files={"synonyms.csv": "field,word,spelling\nsource,谷歌,Google\nsource,google sem,Google\nregion,上海,Shanghai\n"}
)
AGAIN = World(
    leads={4711: lead("L-1000", name="Ann", phone="+8613800138001")},
    files={
        "again.csv": """external_id,source,name,phone
L-1043,web,Bo,+8613800138002
L-1044,web,Bo,+8613800138002
L-1050,web,Ann,+8613800138001
"""
    },
)
SHIFTED = World(leads={number: lead(f"F-{number}", "form") for number in (4711, 4712, 4713)}, hours_ago=8)
WITH_LOG = World(leads={1: lead("e-1")}, drained=True, files={"router.log": '{"level": "info", "event": "routed"}\n'})
SWITCHBOARD = World(
    leads={number: lead(f"e-{number}", name=f"Person {number}", phone="+862150001111") for number in range(1, 8)}
)
CONTACTS = World(
    leads={
        1: lead("L-1", name="Ann", phone="+8613800138000"),
        2: lead("L-2", name="Bo", phone="+8613900139000", email="bo@x.example"),
    },
    files={
        "crm.csv": """external_id,source,name,Mobile,email,customer_id
L-3,crm,Ann,13800138000,bo@x.example,
L-4,crm,Cy,138****1234,,
L-5,crm,Di,1.38E+10,,
L-6,crm,Ed,see notes,,
"""
        + "".join(f"L-{10 + n},crm,Person {n},1370013700{n},,C-100\n" for n in range(6)),
        "crm.yaml": "default_phone_region: CN\nrename:\n  Mobile: phone\n",
    },
)


async def nothing(folder: Path, url: str) -> None:
    """Where the page's commands work on another database."""


async def many(folder: Path, url: str) -> None:
    """A thousand leads that wait."""
    async with connected(url) as conn:
        tenant = await make_tenant(conn, reps_csv(World().reps, GROUPS), ALL, zone="Asia/Shanghai")
        await tenant.accept([lead(f"e-{number}") for number in range(1, 1001)])


async def clock_was_ahead(folder: Path, url: str) -> None:
    """Five leads came and were routed while database and host were 40 days ahead; now their clocks are right again."""
    ahead = timedelta(days=40)
    async with connected(url) as conn:
        await install_clock(conn)
        tenant = await make_tenant(conn, reps_csv(World().reps, GROUPS), ALL, zone="Asia/Shanghai")
        await set_clock_ahead(conn, ahead)
        await tenant.accept([lead(f"e-{number}") for number in range(1, 6)])
        async with open_connections(url) as connections:
            drain = a_drain(connections)
            drain.process = OwnProcess(host_clock=lambda: datetime.now(UTC) + ahead)
            await settle(drain, tenant.tenant_id)
        await set_clock_ahead(conn, timedelta(0))

"""The tenant that a load run works on, made through the product's own doors."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import yaml

from loadtest.load.requests import FORM_SOURCE
from router.domain.access import TokenRole
from router.intake.roster_file import read_roster
from router.store import rulesets, sources, tenants
from router.store.roster import import_reps
from router.store.tokens import NewToken, create_token, new_token

GROUPS = 4
REPS = tuple(f"r{number:02}" for number in range(40))
FLIPPED = REPS[: 2 * GROUPS]
REGIONS = tuple(f"region{number}" for number in range(2 * GROUPS))
"""Of two regions each the group is the same."""
ZONE = "Asia/Shanghai"
# Above all that a run hands in, so that caps are looked at and never stop anybody.
_CAP = 1_000_000
_ACTOR = "load"


@dataclass(frozen=True, slots=True)
class World:
    """The tenant, a token that may do everything there, and the key of its web form."""

    name: str
    tenant_id: int
    token: str
    form_key: str


async def make(conn: asyncpg.Connection, name: str, *, fresh_only: bool = False) -> World:
    """A tenant with 40 reps in four groups, rules, a form and a token; `fresh_only` = rules that take only leads which
    were created within the last two hours.
    """
    tenant_id = (await tenants.add(conn, name, ZONE)).tenant_id
    await import_reps(conn, tenant_id, read_roster(roster_csv(), "reps.csv"), _ACTOR)
    await rulesets.apply(conn, tenant_id, rules_yaml(fresh_only=fresh_only), _ACTOR)
    form = sources.NewSource(FORM_SOURCE, "form", form_yaml())
    key = await sources.add_source(conn, tenant_id, form, _ACTOR)
    token = new_token(tenant_id)
    await create_token(conn, token, NewToken(f"load {token.token_id}", TokenRole.ADMIN), _ACTOR)
    return World(name, tenant_id, str(token), key)


async def make_crm_view(conn: asyncpg.Connection, tenant_id: int) -> None:
    """F1: the CRM's own list of who is available, for the tenant's roster to be synced with."""
    await conn.execute("create table crm_people (rep_id text primary key, available text not null)")
    await conn.execute(
        "insert into crm_people select rep_id, 'yes' from rep where tenant_id = $1",
        tenant_id,
    )


def group_of(place: int) -> str:
    """The group of the rep at a place of REPS."""
    return f"g{place % GROUPS}"


def roster_csv(without: Sequence[str] = ()) -> bytes:
    """Everybody on duty at all hours; reps `without` are in no group."""
    lines = ["rep_id,name,available,time_zone,working_hours,groups,weight,max_open,max_per_day"]
    for place, rep in enumerate(REPS):
        group = "" if rep in without else group_of(place)
        weight = (1, 1, 0.5, 2)[place // GROUPS % 4]
        lines.append(f"{rep},Rep {rep},yes,{ZONE},mon-sun 00:00-24:00,{group},{weight},{_CAP},{_CAP}")
    return "\n".join(lines).encode()


def rules_yaml(*, fresh_only: bool = False) -> str:
    """A rule for each group but the last, which takes the rest and whose reps have to be present."""
    fresh = {"created": {"within": "2h"}} if fresh_only else {}
    rules: list[dict[str, object]] = [
        {"name": "known", "match": {"known_customer": True}, "assign_to": "owner", "fall_back_after": "30m"}
    ]
    for group in range(GROUPS - 1):
        match = {"region": [REGIONS[group], REGIONS[group + GROUPS]], **fresh}
        rules.append(
            {"name": f"group {group}", "match": match, "assign_to": f"group:g{group}", "on_no_candidate": "wait"}
        )
    rules.append({"name": "everything", "match": fresh, "assign_to": f"group:g{GROUPS - 1}"})
    document = {
        "business_time_zone": ZONE,
        "default_phone_region": "CN",
        "presence": {"groups": [f"g{GROUPS - 1}"], "ttl": "5m"},
        "rules": rules,
    }
    return yaml.safe_dump(document, sort_keys=False)


def form_yaml() -> str:
    """The web form; its times have no offset."""
    return yaml.safe_dump(
        {
            "form": {"origins": ["https://www.example.com"], "address_header": "X-Client"},
            "rename": {"token": "external_id", "your-name": "name", "your-phone": "phone", "sent": "created_at"},
            "default_phone_region": "CN",
            "time_zone": "UTC",
        },
        sort_keys=False,
    )

"""What the console is measured on: a tenant of a quarter of a year, with thousands of reps, and leads in every state.

Most of it is written by SQL; the newest leads come by intake and are routed by the drain, so that they have records.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from loadtest.bench import world as worlds
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.world import SQL, World
from router.domain.access import EVERY_TENANT, TokenRole
from router.domain.lead_in import LeadIn
from router.drain.until_idle import drain_until_idle
from router.store.leads import accept
from router.store.tokens import NewToken, create_token, new_token

EVERYBODY = "everyone"
_NEWEST, _REFUSED, _CHANGES = 20_000, 30_000, 20_000
_ACCEPTED_AT_ONCE = 1_000


async def make_console_world(stage: Stage, room: Room) -> tuple[World, Mapping[str, Any]]:
    """The tenant bench1, and what pages about one lead or rep are asked with."""
    world = World(leads=stage.size(1_000_000, 20_000), reps=5_000, group_size=250, everybody=EVERYBODY)
    newest, refused = stage.size(_NEWEST, 400), stage.size(_REFUSED, 600)
    conn = room.conn
    [tenant_id] = await worlds.make(conn, World(0, reps=world.reps, group_size=world.group_size, everybody=EVERYBODY))
    old = world.leads - newest - refused
    await SQL.fill_console_leads.execute(conn, tenant_id=tenant_id, first=1, last=old, leads=old)
    rep_nos = await worlds.rep_numbers(conn, tenant_id)
    await SQL.fill_console_states.execute(conn, tenant_id=tenant_id, rep_nos=rep_nos, groups=world.groups)
    await SQL.fill_loads.execute(conn, tenant_id=tenant_id, day=date(2026, 1, 1))
    await SQL.fill_changes.execute(conn, tenant_id=tenant_id, changes=_CHANGES)
    await SQL.make_older.execute(conn, tenant_id=tenant_id, batch_no=1 + world.leads // 1_000)
    stage.say(f"{old:,} leads are there; {newest + refused:,} more are routed")
    await _route(room, tenant_id, newest, refused, old)
    await conn.execute("vacuum (analyze)")
    await SQL.settle.execute(conn)
    row = await SQL.for_pages.row(conn, tenant_id=tenant_id)
    assert row is not None
    return world, dict(row)


async def _route(room: Room, tenant_id: int, newest: int, refused: int, old: int) -> None:
    """Leads of a region whose group has nobody, and others that are taken; all decided by the drain."""
    await worlds.add_leads(room.conn, tenant_id, World(0), 1, refused, "nowhere")
    await worlds.arrive(room.conn, tenant_id, refused, old)
    for first in range(0, newest, _ACCEPTED_AT_ONCE):
        numbers = range(first, min(newest, first + _ACCEPTED_AT_ONCE))
        await accept(room.conn, tenant_id, [_enquiry(number) for number in numbers])
    async with room.drain() as drain:
        [idle] = await drain_until_idle(drain, [tenant_id])
    done = idle.drained
    if done.assigned != newest or done.refused.total() != refused:
        raise NotClean(f"{done.assigned:,} of {newest:,} leads were assigned, {done.refused.total():,} refused")


def _enquiry(number: int) -> LeadIn:
    return LeadIn(
        "web",
        f"n{number}",
        name=f"New person {number}",
        phone=f"+86139{10_000_000 + number}",
        email=f"new{number}@example.com",
        company=f"Company {number % 5000}",
        region=f"region{number % worlds.REGIONS}",
        industry=f"industry{number % worlds.INDUSTRIES}",
        product=f"product{number % worlds.PRODUCTS}",
    )


async def admin_token(room: Room) -> str:
    """The secret of a new token for all tenants: of a service with one tenant, that is it."""
    shown = new_token(EVERY_TENANT)
    await create_token(room.conn, shown, NewToken("bench", TokenRole.ADMIN), "bench")
    return str(shown)

"""What the members of a group got by its shares, against what their weights say."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from ops.listing.reps import Shares, engine_of
from router.domain.engine import Engine
from router.domain.roster import MILLI
from router.store.engines import Engines
from router.store.statements import Connection
from router.store.waiting import tenant_now


class MemberShare(msgspec.Struct, frozen=True, kw_only=True):
    """One active member: `received` leads by the shares of the group, `due` = all of these times the member's part of
    the weights.
    """

    rep_id: str
    name: str
    weight: float
    received: int
    due: float

    @property
    def apart(self) -> float:
        """By how many leads it is off."""
        return self.received - self.due


class GroupShares(msgspec.Struct, frozen=True, kw_only=True):
    """As of a moment, of the leads that the group's shares gave since another (both UTC). `members` in the order of the
    roster; `by_others` = leads that went to reps who are no active members any more.
    """

    as_of: datetime
    since: datetime
    leads: int
    by_others: int
    members: tuple[MemberShare, ...]


async def group_shares(
    conn: Connection, tenant_id: int, group_no: int, over: timedelta, shares: Shares, engines: Engines | None = None
) -> GroupShares:
    """Of one group; `shares` is asked about the same time always. Weights are those of now."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        tenant = await tenant_now(conn, tenant_id)
        engine, _ = await engine_of(conn, tenant, engines)
        since = tenant.now - over
        received = await shares.of(conn, tenant_id, since)
    return compared(engine, group_no, received, tenant.now, since)


def compared(
    engine: Engine, group_no: int, received: Mapping[tuple[int, int], int], as_of: datetime, since: datetime
) -> GroupShares:
    """`received` by (group number, rep number). Pure."""
    members = [rep for rep in (engine.roster.reps[at] for at in engine.members_of(group_no).tolist()) if rep.active]
    leads = sum(number for (group, _), number in received.items() if group == group_no)
    weights = sum(rep.weight for rep in members)
    shares = tuple(
        MemberShare(
            rep_id=rep.rep_id,
            name=rep.name,
            weight=rep.weight / MILLI,
            received=received.get((group_no, rep.no), 0),
            due=round(leads * rep.weight / weights, 1) if weights else 0.0,
        )
        for rep in members
    )
    others = leads - sum(one.received for one in shares)
    return GroupShares(as_of=as_of, since=since, leads=leads, by_others=others, members=shares)

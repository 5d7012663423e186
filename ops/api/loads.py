"""What managers look at over HTTP: reps by load, leads that have waited longest, shares against weights."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, PageQuery
from ops.api.means import Means
from ops.api.pages import cursor, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.api.reps import count_anew
from ops.listing.leads import GroupUnknown, group_number, list_oldest
from ops.listing.loads import LoadFilter, Who, list_loads
from ops.listing.reps import Shares
from ops.listing.shares import group_shares
from router.domain.access import Permission
from router.domain.worded import said_by
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused

DAYS = (1, 7, 30)
"""Over how many days shares can be compared: each is counted once in a minute, whichever group is asked about."""


class LoadsQuery(PageQuery, frozen=True, kw_only=True):
    """Which reps."""

    only: Annotated[Who | None, Meta(description="Away, on duty, able to take a lead now, or at a limit")] = None
    q: Annotated[str, Meta(max_length=200, description="Part of the id or the name")] | None = None
    group: Annotated[str, Meta(max_length=200, description="Members of this group")] | None = None


class LoadsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Reps by load: those who are away and keep open leads first, then those with most open leads. `summary` is of all
    reps, `matching` how many match; `rules_problem` = why hours and caps of the rules are not known.
    """

    as_of: Moment
    summary: Json
    reps: list[Json]
    matching: int
    rules_problem: str | None
    next: str | None


class OldestQuery(msgspec.Struct, frozen=True):
    """How many."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many")] = 100


class OldestDocument(msgspec.Struct, frozen=True):
    """Leads that wait, the one that has waited longest first; `waiting` = how many there are, counted up to 10,000."""

    as_of: Moment
    waiting: int
    leads: list[Json]


class SharesQuery(msgspec.Struct, frozen=True):
    """Over which time."""

    days: Annotated[Literal[1, 7, 30], Meta(description="The leads of so many days")] = 30


class SharesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Leads that the group's shares gave `since`: `received` by each active member, and `due` by weights (of now).
    `by_others` went to reps who are no active members any more.
    """

    as_of: Moment
    since: Moment
    days: int
    leads: int
    by_others: int
    members: list[Json]


def operations(means: Means) -> list[Operation]:
    """Of loads, of oldest leads, of shares."""
    shares = {days: Shares() for days in DAYS}
    return [
        Operation(
            id="list_loads",
            method="GET",
            path="/v1/reps:loads",
            summary="Reps by load: who has how many open leads, since when, and who is away with some",
            handler=partial(_loads, means),
            answers={200: LoadsDocument},
            permission=Permission.READ,
            tag="reps",
            query=LoadsQuery,
        ),
        Operation(
            id="list_oldest",
            method="GET",
            path="/v1/leads:oldest",
            summary="The leads that have waited longest",
            handler=partial(_oldest, means),
            answers={200: OldestDocument},
            permission=Permission.READ,
            tag="leads",
            query=OldestQuery,
        ),
        Operation(
            id="get_shares",
            method="GET",
            path="/v1/groups/{group}/shares",
            summary="What the members of a group got by its shares, against their weights",
            description="Counted at most once in a minute, behind the answer: where nobody has asked for a while, the "
            "numbers may be ten minutes old.",
            handler=partial(_shares, means, shares),
            answers={200: SharesDocument},
            permission=Permission.READ,
            tag="groups",
            query=SharesQuery,
        ),
    ]


async def _loads(means: Means, call: Call) -> Answer:
    query: LoadsQuery = call.query
    after = read_cursor(query.after, tuple[int, int, int])
    asked = LoadFilter(who=query.only, word=query.q, group=query.group, after=after, limit=query.limit)
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                found = await list_loads(conn, presence, call.tenant.tenant_id, asked, means.engines)
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, said_by(error)) from error
    document = LoadsDocument(
        as_of=found.as_of,
        summary=msgspec.to_builtins(found.summary),
        reps=[seen_by(call, msgspec.to_builtins(one)) for one in found.reps],
        matching=found.matching,
        rules_problem=found.rules_problem,
        next=None if found.last is None else cursor(found.last),
    )
    return Answer(document)


async def _oldest(means: Means, call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            limit, engines = call.query.limit, means.engines
            found, waiting = await list_oldest(conn, presence, call.tenant.tenant_id, limit, engines)
    leads = [seen_by(call, msgspec.to_builtins(one)) for one in found.leads]
    return Answer(OldestDocument(found.as_of, waiting, leads))


async def _shares(means: Means, shares: dict[int, Shares], call: Call) -> Answer:
    days, tenant_id = call.query.days, call.tenant.tenant_id
    with refusals(call):
        async with call.connection() as conn:
            try:
                number = await group_number(conn, tenant_id, call.path["group"])
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, said_by(error)) from error
            found = await group_shares(conn, tenant_id, number, timedelta(days=days), shares[days], means.engines)
    count_anew(shares[days], call, found.since)
    document = SharesDocument(
        as_of=found.as_of,
        since=found.since,
        days=days,
        leads=found.leads,
        by_others=found.by_others,
        members=[seen_by(call, msgspec.to_builtins(one)) for one in found.members],
    )
    return Answer(document)

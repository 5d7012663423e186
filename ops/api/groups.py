"""Groups and lists of leads over HTTP: who could take leads now, and where each lead is."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, PageQuery, RepId, check_year
from ops.api.means import Means
from ops.api.pages import cursor, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.listing.cursor import CursorInvalid
from ops.listing.groups import AT_WORK, MemberFilter, RulesMissing, Standing, list_groups, page_of_members
from ops.listing.lead_filter import REASONS, FiltersConflict, LeadFilter, State
from ops.listing.leads import GroupUnknown, group_number, list_leads
from router.domain.access import Permission
from router.domain.worded import said_by
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused

Only = Literal["available", "on_duty", "off_duty"]


class GroupsDocument(msgspec.Struct, frozen=True):
    """The groups, with who of each could take a lead now, the rules that use them, and what waits for them."""

    as_of: Moment
    groups: list[Json]
    unused: list[str]
    presence_unknown: str | None


class MembersDocument(msgspec.Struct, frozen=True):
    """A group, and its members in the order of the roster; `matching` of them match, on all pages."""

    as_of: Moment
    group: Json
    members: list[Json]
    presence_unknown: str | None
    matching: int
    next: str | None


class MembersQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which members of a group; without `limit` all that match."""

    limit: Annotated[int, Meta(ge=1, le=1000, description="At most so many. Default: all")] | None = None
    after: Annotated[str, Meta(max_length=500, description="`next` of the page before")] | None = None
    q: Annotated[str, Meta(max_length=200, description="Part of the id or the name")] | None = None
    only: Annotated[Only | None, Meta(description="Who could take a lead now, who is on duty, or who is not")] = None


class LeadsDocument(msgspec.Struct, frozen=True):
    """Leads that match, the newest first: where each is, who has it, and what it waits for."""

    as_of: Moment
    leads: list[Json]
    next: str | None


class LeadsQuery(PageQuery, frozen=True, kw_only=True):
    """Which leads; what cannot be combined is refused."""

    state: State | None = None
    reason: Annotated[Literal[REASONS] | None, Meta(description="Waiting or parked for this")] = None  # type: ignore[valid-type]
    rep: Annotated[RepId | None, Meta(description="Whose leads they are now")] = None
    group: Annotated[str, Meta(max_length=200, description="They wait for this group")] | None = None
    source: Annotated[str, Meta(max_length=200)] | None = None
    since: Annotated[Moment | None, Meta(description="Accepted since then (a time with its offset from UTC)")] = None
    until: Annotated[Moment | None, Meta(description="Accepted before then (a time with its offset from UTC)")] = None


_STANDINGS: Mapping[str, frozenset[Standing]] = {
    "available": frozenset({Standing.AVAILABLE}),
    "on_duty": AT_WORK,
    "off_duty": frozenset(Standing) - AT_WORK,
}


def operations(means: Means) -> list[Operation]:
    """Of groups and lists of leads."""
    return [
        Operation(
            id="list_leads",
            method="GET",
            path="/v1/leads:list",
            summary="Leads by state, reason, rep, group, source and time",
            handler=partial(_leads, means),
            answers={200: LeadsDocument},
            permission=Permission.READ,
            tag="leads",
            query=LeadsQuery,
        ),
        Operation(
            id="list_groups",
            method="GET",
            path="/v1/groups",
            summary="The groups: who could take the leads of which rules now",
            handler=partial(_groups, means),
            answers={200: GroupsDocument},
            permission=Permission.READ,
            tag="groups",
        ),
        Operation(
            id="get_group",
            method="GET",
            path="/v1/groups/{group}",
            summary="One group with its members",
            handler=partial(_group, means),
            answers={200: MembersDocument},
            permission=Permission.READ,
            tag="groups",
            query=MembersQuery,
        ),
    ]


async def _leads(means: Means, call: Call) -> Answer:
    query: LeadsQuery = call.query
    since, until = check_year("?since", query.since), check_year("?until", query.until)
    filters = {name: getattr(query, name) for name in ("state", "reason", "rep", "group", "source")}
    asked = LeadFilter(**filters, since=since, until=until)
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                page = await list_leads(
                    conn,
                    presence,
                    call.tenant.tenant_id,
                    asked,
                    after=query.after,
                    limit=query.limit,
                    engines=means.engines,
                )
            except FiltersConflict as error:
                raise Refused(Kind.INVALID, said_by(error), [FieldProblem("?", str(error))]) from error
            except CursorInvalid as error:
                raise Refused(Kind.INVALID, said_by(error), [FieldProblem("?after", str(error))]) from error
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, said_by(error)) from error
    return Answer(msgspec.convert(seen_by(call, msgspec.to_builtins(page)), LeadsDocument))


async def _groups(means: Means, call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                found = await list_groups(conn, presence, call.tenant.tenant_id, means.engines)
            except RulesMissing as error:
                raise Refused(Kind.CONFLICT, said_by(error)) from error
    return Answer(msgspec.convert(seen_by(call, msgspec.to_builtins(found)), GroupsDocument))


async def _group(means: Means, call: Call) -> Answer:
    query, tenant_id = call.query, call.tenant.tenant_id
    after = min(read_cursor(query.after, int) or 0, 2**31 - 1)
    standings = None if query.only is None else _STANDINGS[query.only]
    asked = MemberFilter(word=query.q, standings=standings, after=after, limit=query.limit)
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                number = await group_number(conn, tenant_id, call.path["group"])
                part = await page_of_members(conn, presence, tenant_id, number, means.engines, asked)
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, said_by(error)) from error
            except RulesMissing as error:
                raise Refused(Kind.CONFLICT, said_by(error)) from error
    following = None if part.last is None else cursor(part.last)
    document = {**msgspec.to_builtins(part.found), "matching": part.matching, "next": following}
    return Answer(msgspec.convert(seen_by(call, document), MembersDocument))

"""Groups and lists of leads over HTTP: who could take leads now, and where each lead is."""

from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, PageQuery, RepId, check_year
from ops.api.means import Means
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.listing.cursor import CursorInvalid
from ops.listing.groups import RulesMissing, list_groups, list_members
from ops.listing.lead_filter import REASONS, FiltersConflict, LeadFilter, State
from ops.listing.leads import GroupUnknown, group_number, list_leads
from router.domain.access import Permission
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused


class GroupsDocument(msgspec.Struct, frozen=True):
    """The groups, with who of each could take a lead now, the rules that use them, and what waits for them."""

    as_of: Moment
    groups: list[Json]
    unused: list[str]
    presence_unknown: str | None


class MembersDocument(msgspec.Struct, frozen=True):
    """A group, and its members in the order of the roster."""

    as_of: Moment
    group: Json
    members: list[Json]
    presence_unknown: str | None


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
    since: Annotated[Moment | None, Meta(description="Accepted since")] = None
    until: Annotated[Moment | None, Meta(description="Accepted before")] = None


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
                raise Refused(Kind.INVALID, str(error), [FieldProblem("?", str(error))]) from error
            except CursorInvalid as error:
                raise Refused(Kind.INVALID, str(error), [FieldProblem("?after", str(error))]) from error
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, str(error)) from error
    return Answer(msgspec.convert(seen_by(call, msgspec.to_builtins(page)), LeadsDocument))


async def _groups(means: Means, call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                found = await list_groups(conn, presence, call.tenant.tenant_id, means.engines)
            except RulesMissing as error:
                raise Refused(Kind.CONFLICT, str(error)) from error
    return Answer(msgspec.convert(seen_by(call, msgspec.to_builtins(found)), GroupsDocument))


async def _group(means: Means, call: Call) -> Answer:
    tenant_id = call.tenant.tenant_id
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            try:
                number = await group_number(conn, tenant_id, call.path["group"])
                found = await list_members(conn, presence, tenant_id, number, means.engines)
            except GroupUnknown as error:
                raise Refused(Kind.NOT_FOUND, str(error)) from error
            except RulesMissing as error:
                raise Refused(Kind.CONFLICT, str(error)) from error
    return Answer(msgspec.convert(seen_by(call, msgspec.to_builtins(found)), MembersDocument))

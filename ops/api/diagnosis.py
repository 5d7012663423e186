"""Diagnosis over HTTP: status, why, doctor, changes, blocking sessions; the documents are those of the commands."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ops.api.fields import Json, Moment, PageQuery, RepId, check_year, wrong
from ops.api.leads import lead_of
from ops.api.means import Means
from ops.api.pages import cursor, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.doctor.concerning import concerning
from ops.doctor.current import record_endings
from ops.doctor.diagnosis import Diagnosis, diagnose, diagnose_locked
from ops.doctor.document import document
from ops.doctor.look import all_checks
from ops.documents.changes import document as changes_document
from ops.documents.lead_asked import LeadAsked, ask_about
from ops.status.document import document as status_document
from ops.status.status import Status, status
from ops.why.collect import why
from ops.why.document import document as why_document
from ops.why.what_it_takes import LIMIT
from router.domain.access import EVERY_TENANT, Permission
from router.http.coalesced import Coalesced
from router.http.operations import Answer, Call, Operation
from router.http.problems import Kind, Refused
from router.store.assignments import lead_numbered
from router.store.change_log import Entry, read_changes
from router.store.changes import SERVICE
from router.store.errors import LOCK_TIMEOUTS, TRANSIENT_ERRORS
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.tenants import Tenant, all_tenants

_EVER = timedelta(days=100 * 365)
_DAY = timedelta(days=1)


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where all leads are, why they wait, how fast it goes, and what is wrong. `tenants_away` are missing in all of it:
    the server that has their rows does not answer.
    """

    at: Moment
    verdict: Json
    accepted: int
    states: dict[str, int]
    balanced: bool
    waiting_by_reason: dict[str, int]
    parked_by_reason: dict[str, int]
    oldest_waiting_at: Moment | None
    per_minute: dict[str, float]
    listeners: int
    connections: Json
    findings: list[Json]
    tenants: list[Json]
    tenants_away: list[str]


class WhyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why a lead is where it is, and what happened to it; some members only for leads in that state."""

    lead: Json
    as_of: Moment
    time_zone: str
    state: str
    since: Moment | None
    assigned_to: Json | UnsetType | None = UNSET
    by_hand: bool | UnsetType = UNSET
    batch_no: int | UnsetType | None = UNSET
    parked: Json | UnsetType = UNSET
    merged_into: int | UnsetType | None = UNSET
    closed: Json | UnsetType = UNSET
    waiting: Json | UnsetType = UNSET
    customer: Json | None
    decision: Json | None
    rep: Json | None
    what_would_it_take: Json | None
    timeline: list[Json]
    record_gone_of_batch: int | None
    earlier_decisions_from_batch: int | None
    later_decisions_left_out: bool


class WhyQuery(msgspec.Struct, frozen=True):
    """What is asked about a lead."""

    rep: Annotated[RepId | None, Meta(description="Why this rep got the lead, or did not")] = None
    batch: Annotated[int, Meta(ge=1, le=2**62, description="Explain this earlier decision")] | None = None
    what_would_it_take: Annotated[bool, Meta(description="All single changes that would place it now")] = False


class DoctorLead(msgspec.Struct, frozen=True):
    """The lead that was asked about: its state, and in one line why it is where it is."""

    number: int
    tenant: str
    state: str
    reason: str | None
    summary: str


class DoctorDocument(msgspec.Struct, frozen=True):
    """What is wrong, with its proof and what to do; and what each check came to. With a lead only what concerns it."""

    at: Moment
    findings: list[Json]
    checks: list[Json]
    lead: DoctorLead | None = None


class DoctorQuery(msgspec.Struct, frozen=True):
    """Which checks."""

    only: Annotated[str | None, Meta(description="Codes of checks, separated by commas; without it all")] = None
    lead: Annotated[
        Annotated[int, Meta(ge=1, le=2**53 - 1)] | None,
        Meta(description="What keeps this lead from a rep"),
    ] = None


class ChangesQuery(PageQuery, frozen=True, kw_only=True):
    """Of which time; without it the last 24 hours."""

    since: Moment | None = None
    until: Moment | None = None


class ChangesDocument(msgspec.Struct, frozen=True):
    """What was changed, by whom and why, the latest last."""

    since: Moment
    until: Moment
    changes: list[Json]
    next: str | None


def operations(means: Means) -> list[Operation]:
    """Of diagnosis."""
    return [
        Operation(
            id="get_status",
            method="GET",
            path="/v1/status",
            summary="How many leads are in each state, why they wait, which routers run",
            handler=partial(_status, means, Coalesced()),
            answers={200: StatusDocument},
            permission=Permission.READ,
            tag="diagnosis",
        ),
        Operation(
            id="explain_lead",
            method="GET",
            path="/v1/leads/{lead}/why",
            summary="Why a lead is where it is, and what happened to it",
            handler=partial(_why, means),
            answers={200: WhyDocument},
            permission=Permission.READ,
            tag="diagnosis",
            query=WhyQuery,
        ),
        Operation(
            id="doctor",
            method="GET",
            path="/v1/doctor",
            summary="What keeps leads from being routed, or soon will",
            handler=partial(_doctor, means),
            answers={200: DoctorDocument},
            permission=Permission.OPERATE,
            tag="diagnosis",
            query=DoctorQuery,
        ),
        Operation(
            id="list_changes",
            method="GET",
            path="/v1/changes",
            summary="What was changed, by whom and why",
            description="Each page goes further back. A token for all tenants sees changes of the service, too.",
            handler=_changes,
            answers={200: ChangesDocument},
            permission=Permission.READ,
            tag="diagnosis",
            query=ChangesQuery,
        ),
    ]


def _tenant_name(call: Call) -> str | None:
    """The tenant to look at; None = all, for tokens that are for all."""
    return None if call.of_tenant is None else call.of_tenant.name


def _now() -> datetime:
    return datetime.now(UTC)


async def _status(means: Means, coalesced: Coalesced[str | None, Status], call: Call) -> Answer:
    """It costs 0.1 s of processor time, and pages that watch it are many."""
    name = _tenant_name(call)

    async def look() -> Status:
        async with call.connection() as conn, means.presence() as presence:
            return await status(conn, name, None, presence, means.sizes, _now, means.engines)

    with refusals(call):
        found = await coalesced.get(name, look)
    return Answer(msgspec.convert(seen_by(call, status_document(found)), StatusDocument))


async def _why(means: Means, call: Call) -> Answer:
    query = call.query
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            found = await lead_of(conn, call)
            most = LIMIT if query.what_would_it_take else None
            asked = {"batch_no": query.batch, "rep_id": query.rep, "most_changes": most}
            try:
                description = await why(conn, found, presence=presence, engines=means.engines, **asked)
            except LookupError as error:
                if type(error) is not LookupError:
                    raise
                raise Refused(Kind.NOT_FOUND, str(error)) from error
    return Answer(msgspec.convert(seen_by(call, why_document(description)), WhyDocument))


async def _doctor(means: Means, call: Call) -> Answer:
    codes = [code for code in (call.query.only or "").split(",") if code]
    if unknown := sorted(set(codes) - all_checks().keys()):
        raise wrong("?only", f"there is no check {', '.join(unknown)[:200]}; there are: {', '.join(all_checks())}")
    with refusals(call):
        async with call.connection() as conn:
            asked = None if call.query.lead is None else await _asked(means, call, conn)
            seen = await _diagnosis(means, call, conn, codes)
    shown = seen.document()
    if asked is not None:
        findings = concerning(seen.findings, asked.about)
        shown = document(findings, seen.results, seen.at) | {"lead": asked.document()}
    return Answer(msgspec.convert(seen_by(call, shown), DoctorDocument))


async def _asked(means: Means, call: Call, conn: Connection) -> LeadAsked:
    found = await lead_numbered(conn, call.tenant.tenant_id, call.query.lead)
    async with means.presence() as presence:
        return await ask_about(conn, presence, found)


async def _diagnosis(means: Means, call: Call, conn: Connection, codes: list[str]) -> Diagnosis:
    tenant = _tenant_name(call)
    async with means.presence() as presence:
        try:
            seen = await diagnose(conn, presence, _now, tenant, codes, means.engines)
        except LOCK_TIMEOUTS as error:
            return await diagnose_locked(conn, error, _now())
    # The next look ends them; what was found is shown all the same.
    with suppress(*TRANSIENT_ERRORS):
        await record_endings(conn, seen.results, seen.mutes or (), seen.at, call.actor, whole=seen.whole)
    return seen


async def _changes(call: Call) -> Answer:
    query = call.query
    since, until = check_year("?since", query.since), check_year("?until", query.until)
    after = read_cursor(query.after, tuple[Moment, int])
    async with call.connection() as conn:
        names = {one.tenant_id: one.name for one in await _tenants(call, conn)}
        now = await database_clock(conn)
        first, last = since or now - _DAY, until or now + _EVER
        end, skip = (check_year("?after", after[0]) or last, max(0, min(after[1], 10_000))) if after else (last, 0)
        ids = list(names) if call.token.tenant_id != EVERY_TENANT else [SERVICE, *names]
        found = (await read_changes(conn, ids, first, end, skip + query.limit + 1))[skip:]
    shown, more = found[: query.limit], len(found) > query.limit
    document = seen_by(call, changes_document(shown[::-1], names, first, last, more=more))
    following = _after(shown, end, skip) if more else None
    return Answer(ChangesDocument(first, last, document["changes"], following))


async def _tenants(call: Call, conn: Connection) -> list[Tenant]:
    return [call.of_tenant] if call.of_tenant is not None else await all_tenants(conn)


def _after(shown: list[Entry], end: datetime, skip: int) -> str:
    """Several changes may be of one moment: so many of them were shown."""
    at = shown[-1].at
    alike = sum(one.at == at for one in shown) + (skip if at == end else 0)
    return cursor((at, alike))

"""Reps over HTTP: list, one, set fields, and import of a roster file."""

import asyncio
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ops.api.bodies import BINARY, CSV_TYPES, TEXT, WORKBOOK_TYPE, bytes_of
from ops.api.fields import Json, Moment, Note, PageQuery, wrong
from ops.api.means import Means
from ops.api.own import check_own_rep
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by, words_for
from ops.api.refusals import refusals
from ops.documents.reps import change_document, in_no_group, rep_document, unnamed_document
from ops.documents.roster_notes import roster_notes
from ops.listing.reps import SHARE_OVER, RepNow, Reps, Shares, reps_now
from router.domain.access import Permission
from router.domain.rep_fields import MAX_CAP, MAX_NAMES, MAX_TEXT, MAX_WEIGHT, RepLine, read_field
from router.domain.roster_change import RepRecord, RosterChange
from router.domain.worded import said_by, worded
from router.domain.worded_phrases import placed
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.intake.roster_file import PROBLEMS_SHOWN, RosterError, read_roster_body
from router.rules.file import RulesError
from router.store.engines import Engines
from router.store.errors import TRANSIENT_ERRORS
from router.store.roster import NobodyLeft, current_reps, import_reps, set_rep
from router.store.rules_lint import groups_no_rule_names
from router.store.statements import Connection
from router.store.tenants import tenant_numbered

MAX_ROSTER = 16_000_000
_counting: set["asyncio.Task[None]"] = set()
"""Tasks that nobody waits for are kept until they are over."""

Cap = Annotated[int, Meta(ge=0, le=MAX_CAP)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Names = Annotated[list[Text], Meta(max_length=MAX_NAMES)]


class OpenLeft(msgspec.Struct, frozen=True):
    """A rep who gets no more leads for now, and keeps open ones; `command` hands them over."""

    rep_id: str
    open_leads: int
    command: str


class RepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A rep as the newest roster version has it. Ways to reach the rep are masked where the token may not see them."""

    rep_id: str
    name: str
    active: bool
    available: bool
    availability: Literal["known", "held", "unknown"]
    availability_held_until: Moment | None
    time_zone: str
    working_hours: str | None
    holidays: str | None
    leave: str | None
    groups: list[str]
    regions: list[str]
    industries: list[str]
    weight: float
    max_open: int | None
    max_per_day: int | None
    manager_id: str | None
    team: str | None
    email: str | None
    mobile: str | None
    wecom_user_id: str | None
    dingtalk_user_id: str | None
    feishu_user_id: str | None
    now: RepNow


class RepPage(msgspec.Struct, frozen=True):
    """Reps in the order in which they were added."""

    reps: list[RepDocument]
    next: str | None


class RepChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a rep to be changed; what is left out stays. Null = none of its own: the rules say it."""

    available: bool | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    weight: Annotated[float, Meta(ge=0, le=MAX_WEIGHT)] | UnsetType = UNSET
    max_open: Cap | UnsetType | None = UNSET
    max_per_day: Cap | UnsetType | None = UNSET
    leave: Annotated[str, Meta(examples=["2026-10-01..2026-10-07; 2026-12-24"])] | UnsetType = UNSET
    groups: Names | UnsetType = UNSET
    working_hours: Annotated[str, Meta(examples=["mon-fri 09:00-18:00"])] | UnsetType | None = UNSET
    time_zone: Annotated[str, Meta(max_length=MAX_TEXT, examples=["Europe/Berlin"])] | UnsetType | None = UNSET
    name: Text | UnsetType | None = UNSET
    regions: Names | UnsetType = UNSET
    industries: Names | UnsetType = UNSET
    manager_id: Text | UnsetType | None = UNSET
    team: Text | UnsetType | None = UNSET
    email: Text | UnsetType | None = UNSET
    mobile: Text | UnsetType | None = UNSET
    wecom_user_id: Text | UnsetType | None = UNSET
    dingtalk_user_id: Text | UnsetType | None = UNSET
    feishu_user_id: Text | UnsetType | None = UNSET
    holidays: Annotated[str, Meta(examples=["CN", "DE-BY", "none"])] | UnsetType | None = UNSET
    note: Note = ""


class Availability(msgspec.Struct, frozen=True):
    """Whether a rep gets leads."""

    available: bool
    note: Note = ""


class RepChange(msgspec.Struct, frozen=True):
    """Fields of one rep, old and new."""

    rep_id: str
    fields: Json


class RosterChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed. `version` is in force afterwards; it equals `previous` when nothing was.

    `groups_without_available` = groups that have no available rep any more, or are new and have none.
    `nobody_available` = a rep of the tenant was available, and none is now. `open_leads_left` = reps who went away and
    keep open leads; `always_on_duty` = new reps in another zone whom no hours limit, their own or those of the rules.
    """

    version: int
    previous: int
    added: list[str]
    changed: list[RepChange]
    unchanged: int
    missing: int
    fields: dict[str, int]
    groups_without_available: list[str]
    nobody_available: bool
    open_leads_left: list[OpenLeft]
    always_on_duty: list[str]


class RosterImported(RosterChanged, frozen=True, kw_only=True):
    """What an import changed, or would change. `in_no_group` = active reps whom no group rule can reach.

    `unnamed_groups` = groups that no rule names, with active reps whom no rule reaches, and the group that is meant.
    """

    dry_run: bool
    in_no_group: list[str]
    unnamed_groups: list[Json]


class ImportQuery(msgspec.Struct, frozen=True):
    """How a roster is imported."""

    dry_run: Annotated[bool, Meta(description="Only say what would change")] = False
    missing: Annotated[Literal["keep", "inactive"], Meta(description="What becomes of reps not in the file")] = "keep"
    anyway: Annotated[bool, Meta(description="Change it although no rep of the tenant is available then")] = False
    sheet: Annotated[str, Meta(max_length=100, description="Of a workbook. Default: the first one")] | None = None
    note: Note = ""


def operations(means: Means) -> list[Operation]:
    """Of reps."""
    engines, shares = means.engines, Shares()
    return [
        Operation(
            id="list_reps",
            method="GET",
            path="/v1/reps",
            summary="List the reps",
            handler=partial(_list, means, engines, shares),
            answers={200: RepPage},
            permission=Permission.READ,
            tag="reps",
            query=PageQuery,
        ),
        Operation(
            id="get_rep",
            method="GET",
            path="/v1/reps/{rep}",
            summary="One rep, by the CRM's id",
            description="A rep's token asks about its own rep only.",
            handler=partial(_get, means, engines, shares),
            answers={200: RepDocument},
            permission=Permission.LOOK,
            tag="reps",
        ),
        Operation(
            id="set_rep",
            method="PATCH",
            path="/v1/reps/{rep}",
            summary="Change fields of a rep",
            handler=_set,
            answers={200: RosterChanged},
            permission=Permission.MANAGE,
            tag="reps",
            body=RepChanges,
        ),
        Operation(
            id="set_availability",
            method="PUT",
            path="/v1/reps/{rep}/availability",
            summary="A rep gets no more leads, or gets leads again",
            description="As the field `available` of the rep; leads that the rep has stay. A rep's token switches its "
            "own rep only.",
            handler=_set_available,
            answers={200: RosterChanged},
            permission=Permission.ATTEND,
            tag="reps",
            body=Availability,
        ),
        Operation(
            id="import_reps",
            method="POST",
            path="/v1/reps:import",
            summary="Import reps from a table or a workbook: all of it, or nothing when something in it is wrong",
            description=(
                "A column that is absent leaves its field as it is. Importing the same again changes nothing. What "
                "would leave no rep of the tenant available is refused with 409, unless `anyway`; `dry_run` only says "
                "so."
            ),
            handler=_import,
            answers={200: RosterImported},
            permission=Permission.MANAGE,
            tag="reps",
            query=ImportQuery,
            media={"text/csv": TEXT, WORKBOOK_TYPE: BINARY},
            max_body=MAX_ROSTER,
        ),
    ]


async def _list(means: Means, engines: Engines, shares: Shares, call: Call) -> Answer:
    after, limit = read_cursor(call.query.after, int) or 0, call.query.limit
    async with call.connection() as conn, means.presence() as presence:
        found = await reps_now(
            conn,
            presence,
            call.tenant.tenant_id,
            after=min(after, 2**31 - 1),
            limit=limit + 1,
            engines=engines,
            shares=shares,
        )
    count_anew(shares, call, found.at - SHARE_OVER)
    shown, following = page(found.records, limit, lambda rep: rep.rep_no)
    return Answer(RepPage([_shown(call, rep, found) for rep in shown], following))


async def _get(means: Means, engines: Engines, shares: Shares, call: Call) -> Answer:
    check_own_rep(call, call.path["rep"])
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            found = await reps_now(
                conn, presence, call.tenant.tenant_id, rep_id=call.path["rep"], engines=engines, shares=shares
            )
    count_anew(shares, call, found.at - SHARE_OVER)
    return Answer(_shown(call, found.records[0], found))


def count_anew(shares: Shares, call: Call, since: datetime) -> None:
    """Behind the answer, where the shares are due."""
    tenant_id = call.tenant.tenant_id
    if not shares.are_due(tenant_id):
        return

    async def count() -> None:
        try:
            async with call.connection() as conn:
                await shares.count(conn, tenant_id, since)
        except (*TRANSIENT_ERRORS, TimeoutError):
            # The next request tries again.
            pass
        finally:
            shares.counted(tenant_id)

    task = asyncio.create_task(count(), name="shares of reps")
    _counting.add(task)
    task.add_done_callback(_counting.discard)


def _shown(call: Call, rep: RepRecord, found: Reps) -> RepDocument:
    return _document(call, rep_document(rep, found.at, found.now[rep.rep_id]))


def _document(call: Call, document: Json) -> RepDocument:
    return msgspec.convert(seen_by(call, document), RepDocument)


async def _set(call: Call) -> Answer:
    given = {name: getattr(call.body, name) for name in call.body.__struct_fields__ if name != "note"}
    return await _changed(call, {name: value for name, value in given.items() if value is not UNSET})


async def _set_available(call: Call) -> Answer:
    check_own_rep(call, call.path["rep"])
    return await _changed(call, {"available": call.body.available})


async def _changed(call: Call, given: dict[str, Any]) -> Answer:
    changes = _values(given)
    with refusals(call, worded("the roster")):
        async with call.connection() as conn:
            change = await set_rep(
                conn, call.tenant.tenant_id, call.path["rep"], changes, call.actor, note=call.body.note
            )
            notes = await roster_notes(conn, call.tenant, change)
    return Answer(msgspec.convert(seen_by(call, change_document(change) | notes.document()), RosterChanged))


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """As the same reader takes them that reads files. Raises Refused with every one that is not understood."""
    values, problems = {}, []
    for name, value in given.items():
        try:
            values[name] = read_field(name, _written(value))
        except ValueError as error:
            problems.append(FieldProblem(f"/{name}", said_by(error)))
    if problems:
        raise Refused(Kind.INVALID, placed(problems[0].pointer, problems[0].reason), problems)
    if not values:
        raise wrong("", worded("has nothing to set; give available or another field"))
    return values


def _written(value: Any) -> str:
    """As people write it in a file."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, float):
        return f"{value:.12f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)


async def _import(call: Call) -> Answer:
    body = await bytes_of(call, (*CSV_TYPES, WORKBOOK_TYPE), MAX_ROSTER)
    query: ImportQuery = call.query
    try:
        lines = await asyncio.to_thread(read_roster_body, body, query.sheet, "body")
    except RosterError as error:
        listed = [_problem(one) for one in error.problems[:PROBLEMS_SHOWN]]
        detail = f"nothing was imported: {error.problems[0]}"
        raise Refused(Kind.INVALID, detail, listed) from error
    with refusals(call, worded("the roster")):
        async with call.connection() as conn:
            change = await _imported(conn, call, lines)
            alone = [rep.rep_id for rep in await current_reps(conn, call.tenant.tenant_id) if in_no_group(rep)]
            notes = await roster_notes(conn, call.tenant, change)
            unnamed = await _unnamed(conn, call)
    document = {
        "dry_run": query.dry_run,
        **change_document(change),
        "in_no_group": alone,
        "unnamed_groups": unnamed,
        **notes.document(),
    }
    return Answer(msgspec.convert(seen_by(call, document), RosterImported))


async def _imported(conn: Connection, call: Call, lines: list[RepLine]) -> RosterChange:
    query: ImportQuery = call.query
    try:
        return await import_reps(
            conn,
            call.tenant.tenant_id,
            lines,
            call.actor,
            note=query.note,
            retire_missing=query.missing == "inactive",
            dry_run=query.dry_run,
            anyway=query.anyway,
        )
    except NobodyLeft as error:
        detail = f"nothing was changed: {error}; with anyway=true it is done nevertheless"
        raise Refused(Kind.CONFLICT, words_for(call, detail)) from error


async def _unnamed(conn: Connection, call: Call) -> list[Json]:
    """Nothing where the rules cannot be read: other checks report that."""
    tenant = await tenant_numbered(conn, call.tenant.tenant_id)
    with suppress(RulesError):
        return unnamed_document(await groups_no_rule_names(conn, tenant)) if tenant else []
    return []


def _problem(text: str) -> FieldProblem:
    """`body:LINE: what is wrong` with the line as the place."""
    _, _, rest = text.partition(":")
    line, colon, reason = rest.partition(":")
    return FieldProblem(f"line {line}", reason.strip()) if colon and line.isdecimal() else FieldProblem("", text)

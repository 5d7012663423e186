"""Reps over HTTP: list, one, set fields, and import of a roster file."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ops.api.bodies import CSV_TYPES, TEXT, bytes_of
from ops.api.fields import Json, Moment, Note, PageQuery, wrong
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.documents.reps import change_document, in_no_group, rep_document
from router.domain.access import Permission
from router.domain.rep_fields import MAX_CAP, MAX_NAMES, MAX_TEXT, MAX_WEIGHT, read_field
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.intake.roster_file import PROBLEMS_SHOWN, RosterError, read_roster
from router.store.leads import database_clock
from router.store.roster import current_rep, current_reps, import_reps, reps_page, set_rep

MAX_ROSTER = 16_000_000

Cap = Annotated[int, Meta(ge=0, le=MAX_CAP)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Names = Annotated[list[Text], Meta(max_length=MAX_NAMES)]


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
    holidays: Annotated[str, Meta(examples=["CN", "DE-BY", "none"])] | UnsetType | None = UNSET
    note: Note = ""


class RepChange(msgspec.Struct, frozen=True):
    """Fields of one rep, old and new."""

    rep_id: str
    fields: Json


class RosterChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed. `version` is in force afterwards; it equals `previous` when nothing was.

    `groups_without_available` = groups that have no available rep any more, or are new and have none.
    `nobody_available` = a rep of the tenant was available, and none is now.
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


class RosterImported(RosterChanged, frozen=True, kw_only=True):
    """What an import changed, or would change. `in_no_group` = active reps whom no group rule can reach."""

    dry_run: bool
    in_no_group: list[str]


class ImportQuery(msgspec.Struct, frozen=True):
    """How a roster is imported."""

    dry_run: Annotated[bool, Meta(description="Only say what would change")] = False
    missing: Annotated[Literal["keep", "inactive"], Meta(description="What becomes of reps not in the file")] = "keep"
    note: Note = ""


def operations() -> list[Operation]:
    """Of reps."""
    return [
        Operation(
            id="list_reps",
            method="GET",
            path="/v1/reps",
            summary="List the reps",
            handler=_list,
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
            handler=_get,
            answers={200: RepDocument},
            permission=Permission.READ,
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
            id="import_reps",
            method="POST",
            path="/v1/reps:import",
            summary="Import reps from CSV: all of it, or nothing when something in it is wrong",
            description="A column that is absent leaves its field as it is. Importing the same again changes nothing.",
            handler=_import,
            answers={200: RosterImported},
            permission=Permission.MANAGE,
            tag="reps",
            query=ImportQuery,
            media={"text/csv": TEXT},
            max_body=MAX_ROSTER,
        ),
    ]


async def _list(call: Call) -> Answer:
    after, limit = read_cursor(call.query.after, int) or 0, call.query.limit
    async with call.connection() as conn:
        found = await reps_page(conn, call.tenant.tenant_id, min(after, 2**31 - 1), limit + 1)
        now = await database_clock(conn)
    shown, following = page(found, limit, lambda rep: rep.rep_no)
    reps = [_document(call, rep_document(rep, now)) for rep in shown]
    return Answer(RepPage(reps, following))


async def _get(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            rep = await current_rep(conn, call.tenant.tenant_id, call.path["rep"])
            now = await database_clock(conn)
    return Answer(_document(call, rep_document(rep, now)))


def _document(call: Call, document: Json) -> RepDocument:
    return msgspec.convert(seen_by(call, document), RepDocument)


async def _set(call: Call) -> Answer:
    given = {name: getattr(call.body, name) for name in call.body.__struct_fields__ if name != "note"}
    changes = _values({name: value for name, value in given.items() if value is not UNSET})
    with refusals(call, "the roster"):
        async with call.connection() as conn:
            change = await set_rep(
                conn, call.tenant.tenant_id, call.path["rep"], changes, call.actor, note=call.body.note
            )
    return Answer(msgspec.convert(seen_by(call, change_document(change)), RosterChanged))


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """As the same reader takes them that reads files. Raises Refused with every one that is not understood."""
    values, problems = {}, []
    for name, value in given.items():
        try:
            values[name] = read_field(name, _written(value))
        except ValueError as error:
            problems.append(FieldProblem(f"/{name}", str(error)))
    if problems:
        raise Refused(Kind.INVALID, f"{problems[0].pointer}: {problems[0].reason}", problems)
    if not values:
        raise wrong("", "has nothing to set; give available or another field")
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
    body = await bytes_of(call, CSV_TYPES, MAX_ROSTER)
    query: ImportQuery = call.query
    try:
        lines = read_roster(body, "body")
    except RosterError as error:
        listed = [_problem(one) for one in error.problems[:PROBLEMS_SHOWN]]
        detail = f"nothing was imported: {error.problems[0]}"
        raise Refused(Kind.INVALID, detail, listed) from error
    with refusals(call, "the roster"):
        async with call.connection() as conn:
            change = await import_reps(
                conn,
                call.tenant.tenant_id,
                lines,
                call.actor,
                note=query.note,
                retire_missing=query.missing == "inactive",
                dry_run=query.dry_run,
            )
            alone = [rep.rep_id for rep in await current_reps(conn, call.tenant.tenant_id) if in_no_group(rep)]
    document = {"dry_run": query.dry_run, **change_document(change), "in_no_group": alone}
    return Answer(msgspec.convert(seen_by(call, document), RosterImported))


def _problem(text: str) -> FieldProblem:
    """`body:LINE: what is wrong` with the line as the place."""
    _, _, rest = text.partition(":")
    line, colon, reason = rest.partition(":")
    return FieldProblem(f"line {line}", reason.strip()) if colon and line.isdecimal() else FieldProblem("", text)

"""Versions of the roster over HTTP: history, what one version changed, what changed for a rep, rollback."""

from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, Note, PageQuery, Version
from ops.api.ids import ROSTER_VERSION, not_there, number_of
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.api.reps import RepChange, RosterChanged
from ops.documents.reps import change_document
from ops.documents.roster_history import entry_document, rep_entry_document, version_document
from ops.documents.roster_notes import roster_notes
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.store.roster import roll_back_roster
from router.store.roster_history import history, rep_history, version_shown
from router.store.statements import Connection
from router.store.tenants import tenant_numbered

_OF_REP = 1_000


class RosterVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version in the history: how many reps it added and changed."""

    version: int
    at: Moment
    author: str
    note: str
    added: int
    changed: int
    in_force: bool


class RosterPage(msgspec.Struct, frozen=True):
    """Versions, the last one first."""

    rosters: list[RosterVersion]
    next: str | None


class RosterShown(msgspec.Struct, frozen=True, kw_only=True):
    """A version with all that it changed; `added` are ids of reps."""

    version: int
    at: Moment
    author: str
    note: str
    in_force: bool
    added: list[str]
    changed: list[RepChange]


class RepVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a version changed for one rep; `fields` null = the rep came with it."""

    version: int
    at: Moment
    author: str
    note: str
    fields: Json | None


class RepHistory(msgspec.Struct, frozen=True):
    """What changed for one rep, the last version first; the last 1,000 of them."""

    versions: list[RepVersion]


class RosterRollback(msgspec.Struct, frozen=True, kw_only=True):
    """To which version; null = the one before the active one."""

    version: Version | None = None
    dry_run: Annotated[bool, Meta(description="Only say what would change")] = False
    anyway: Annotated[bool, Meta(description="Although no rep of the tenant is available then")] = False
    note: Note = ""


class RosterRolledBack(RosterChanged, frozen=True, kw_only=True):
    """What a rollback changed, or would change."""

    dry_run: bool


def operations() -> list[Operation]:
    """Of the roster's versions."""
    return [
        Operation(
            id="list_rosters",
            method="GET",
            path="/v1/rosters",
            summary="The versions of the roster",
            handler=_history,
            answers={200: RosterPage},
            permission=Permission.READ,
            tag="reps",
            query=PageQuery,
        ),
        Operation(
            id="get_roster",
            method="GET",
            path="/v1/rosters/{version}",
            summary="What one version of the roster changed",
            handler=_show,
            answers={200: RosterShown},
            permission=Permission.READ,
            tag="reps",
        ),
        Operation(
            id="get_rep_history",
            method="GET",
            path="/v1/reps/{rep}/history",
            summary="What changed for a rep, when, and by whom",
            handler=_of_rep,
            answers={200: RepHistory},
            permission=Permission.READ,
            tag="reps",
        ),
        Operation(
            id="roll_back_roster",
            method="POST",
            path="/v1/rosters:rollback",
            summary="Make the reps again what they were in an earlier version, as a new version",
            description="Reps who came later become inactive. Refused where no rep would be available, without anyway.",
            handler=_roll_back,
            answers={200: RosterRolledBack},
            permission=Permission.MANAGE,
            tag="reps",
            body=RosterRollback,
        ),
    ]


async def _history(call: Call) -> Answer:
    before, limit = read_cursor(call.query.after, int), call.query.limit
    if before is not None:
        before = max(0, min(before, 2**31 - 1))
    async with call.connection() as conn:
        found = await history(conn, call.tenant.tenant_id, limit + 1, before)
        active = await _active(conn, call)
    shown, following = page(found, limit, lambda one: one.version)
    rows = [msgspec.convert(seen_by(call, entry_document(one, active)), RosterVersion) for one in shown]
    return Answer(RosterPage(rows, following))


async def _active(conn: Connection, call: Call) -> int:
    """The version in force now: what a call knows of its tenant may be seconds old."""
    found = await tenant_numbered(conn, call.tenant.tenant_id)
    return found.roster if found else 0


async def _show(call: Call) -> Answer:
    named = call.path["version"]
    with refusals(call):
        version = number_of(named, ROSTER_VERSION)
        if not 1 <= version < 2**31:
            raise not_there(ROSTER_VERSION, named[:40])
        async with call.connection() as conn:
            shown = await version_shown(conn, call.tenant.tenant_id, version)
    return Answer(msgspec.convert(seen_by(call, version_document(shown)), RosterShown))


async def _of_rep(call: Call) -> Answer:
    with refusals(call):
        async with call.connection() as conn:
            found = await rep_history(conn, call.tenant.tenant_id, call.path["rep"], _OF_REP)
    rows = [seen_by(call, rep_entry_document(one)) for one in found]
    return Answer(RepHistory([msgspec.convert(row, RepVersion) for row in rows]))


async def _roll_back(call: Call) -> Answer:
    wanted: RosterRollback = call.body
    with refusals(call, worded("the roster")):
        async with call.connection() as conn:
            change = await roll_back_roster(
                conn,
                call.tenant.tenant_id,
                wanted.version,
                call.actor,
                note=wanted.note,
                dry_run=wanted.dry_run,
                anyway=wanted.anyway,
            )
            notes = await roster_notes(conn, call.tenant, change)
    document = {"dry_run": wanted.dry_run, **change_document(change), **notes.document()}
    return Answer(msgspec.convert(seen_by(call, document), RosterRolledBack))

"""The roster: versioned rows of reps. A change writes new rows for the reps it changes, and one version."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import asyncpg

from router.domain.availability import parse_leave
from router.domain.calendar import WeekHours, parse_week
from router.domain.coverage import LostCoverage, lost_coverage
from router.domain.phrases import suggestion
from router.domain.rep_fields import RepLine
from router.domain.roster import Rep, Roster
from router.domain.roster_change import DEFAULTS, GroupNumbers, Plan, RepRecord, RosterChange, plan
from router.domain.text import fold
from router.domain.worded import Worded, worded, worded_count
from router.store.groups import add_groups, group_names
from router.store.hints import call_routers
from router.store.statements import Connection, load
from router.store.transactions import limit_transaction, retried

_SQL = load("roster")
_LOCK_WAIT_S = 30
_NAMED = 3
# What decides whether a group has an available rep.
_COVERS = frozenset({"active", "available"})


class RepUnknown(LookupError):
    """The tenant has no rep of this id; the message suggests one."""

    def __str__(self) -> str:
        return str(self.args[0])


class RosterVersionUnknown(LookupError):
    """The tenant's roster never had this version (None = one before the active one); `newest` 0 = there is none yet."""

    def __init__(self, version: int | None, newest: int) -> None:
        if not newest:
            words = worded("there is no roster yet")
        elif version is None:
            words = worded("there is no version before the active one")
        else:
            words = worded(
                "there is no version {version} of the roster; versions go from 1 to {newest}",
                version=version,
                newest=newest,
            )
        super().__init__(words)

    def __str__(self) -> str:
        return str(self.args[0])


class NobodyLeft(Exception):
    """The change would leave no rep of the tenant available; nothing was changed."""


class RosterBusy(Exception):
    """Somebody else was changing this tenant's roster for too long; nothing was changed."""


@retried
async def import_reps(
    conn: Connection,
    tenant_id: int,
    reps: Sequence[RepLine],
    author: str,
    *,
    note: str = "",
    retire_missing: bool = False,
    dry_run: bool = False,
    unknown_holds_for: timedelta = timedelta(0),
    anyway: bool = True,
) -> RosterChange:
    """Makes the reps as the lines say, in one transaction; a line leaves what it does not speak of as it is.

    Reps that no line names stay, or become inactive with `retire_missing`. When nothing differs no version is
    made. `dry_run` returns the same and writes nothing. Importers of one tenant take turns.
    Raises LookupError when there is no such tenant, RosterBusy; NobodyLeft, unless `anyway` or `dry_run`.
    """
    async with conn.transaction():
        version, time_zone = await _locked(conn, tenant_id)
        groups = GroupNumbers(await group_names(conn, tenant_id))
        rows = await _SQL.current_reps.fetch(conn, tenant_id=tenant_id)
        last_rep_no = await _SQL.last_rep_no.value(conn, tenant_id=tenant_id)
        current = {row["rep_id"]: record_of(row, groups.names) for row in rows}
        intended = plan(
            current,
            reps,
            groups,
            time_zone=time_zone,
            next_rep_no=last_rep_no + 1,
            retire_missing=retire_missing,
            unknown_holds_for=unknown_holds_for,
        )
        lost = _lost(current, intended)
        if dry_run:
            return _told(intended, version, version, lost)
        if lost.everybody and not anyway:
            raise NobodyLeft(lost.words)
        return await _applied(conn, tenant_id, version, intended, groups, lost, author=author, note=note)


@retried
async def set_rep(
    conn: Connection,
    tenant_id: int,
    rep_id: str,
    changes: Mapping[str, Any],
    author: str,
    *,
    note: str = "",
    dry_run: bool = False,
    anyway: bool = True,
) -> RosterChange:
    """Changes fields of one rep (values as `rep_fields.read_field` gives them). `dry_run` as for `import_reps`.

    Raises RepUnknown, LookupError when there is no such tenant, RosterBusy; NobodyLeft, unless `anyway`.
    """
    async with conn.transaction():
        version, time_zone = await _locked(conn, tenant_id)
        row = await _SQL.current_rep.row(conn, tenant_id=tenant_id, rep_id=rep_id)
        if row is None:
            raise RepUnknown(await _no_such_rep(conn, tenant_id, rep_id))
        groups = GroupNumbers(await group_names(conn, tenant_id))
        current = {rep_id: record_of(row, groups.names)}
        intended = plan(current, [RepLine(rep_id, changes)], groups, time_zone=time_zone, next_rep_no=0)
        lost = LostCoverage()
        was_there = row["active"] and row["available"]
        # Whoever comes back leaves nobody alone: the whole roster need not be read.
        if not intended.empty and ("groups" in changes or (was_there and not _COVERS.isdisjoint(changes))):
            everyone = await _SQL.current_reps.fetch(conn, tenant_id=tenant_id)
            lost = _lost({row["rep_id"]: record_of(row, groups.names) for row in everyone}, intended)
        if dry_run:
            return _told(intended, version, version, lost)
        if lost.everybody and not anyway:
            raise NobodyLeft(lost.words)
        return await _applied(conn, tenant_id, version, intended, groups, lost, author=author, note=note)


@retried
async def roll_back_roster(
    conn: Connection,
    tenant_id: int,
    version: int | None,
    author: str,
    *,
    note: str = "",
    dry_run: bool = False,
    anyway: bool = True,
) -> RosterChange:
    """Makes the reps again what they were in an earlier version (None = the one before), as a new version.

    Reps who came later cannot be unmade, since leads and decisions refer to them: they become inactive. `dry_run`
    returns the same and writes nothing. Raises RosterVersionUnknown, LookupError when there is no such tenant,
    RosterBusy; NobodyLeft, unless `anyway` or `dry_run`.
    """
    async with conn.transaction():
        active, time_zone = await _locked(conn, tenant_id)
        wanted = active - 1 if version is None else version
        if not 1 <= wanted <= active:
            raise RosterVersionUnknown(version, active)
        groups = GroupNumbers(await group_names(conn, tenant_id))
        rows = await _SQL.current_reps.fetch(conn, tenant_id=tenant_id)
        current = {row["rep_id"]: record_of(row, groups.names) for row in rows}
        then = [
            record_of(row, groups.names)
            for row in await _SQL.records_as_of.fetch(conn, tenant_id=tenant_id, version=wanted)
        ]
        lines = [RepLine(rep.rep_id, rep.values) for rep in then]
        intended = plan(current, lines, groups, time_zone=time_zone, next_rep_no=0, retire_missing=True)
        lost = _lost(current, intended)
        if dry_run:
            return _told(intended, active, active, lost)
        if lost.everybody and not anyway:
            raise NobodyLeft(lost.words)
        note = note or f"back to version {wanted}"
        return await _applied(conn, tenant_id, active, intended, groups, lost, author=author, note=note)


async def current_reps(conn: Connection, tenant_id: int) -> list[RepRecord]:
    """Every rep with all its fields as the newest version has it, in the order of the rep numbers."""
    names = await group_names(conn, tenant_id)
    return [record_of(row, names) for row in await _SQL.current_reps.fetch(conn, tenant_id=tenant_id)]


async def reps_page(conn: Connection, tenant_id: int, after: int, limit: int) -> list[RepRecord]:
    """The same of the reps with a number above `after`, at most `limit` of them."""
    names = await group_names(conn, tenant_id)
    rows = await _SQL.reps_page.fetch(conn, tenant_id=tenant_id, after=after, limit=limit)
    return [record_of(row, names) for row in rows]


async def current_rep(conn: Connection, tenant_id: int, rep_id: str) -> RepRecord:
    """One rep with all fields as the newest version has it. Raises RepUnknown, with similar ids."""
    row = await _SQL.current_rep.row(conn, tenant_id=tenant_id, rep_id=rep_id)
    if row is None:
        raise RepUnknown(await _no_such_rep(conn, tenant_id, rep_id))
    return record_of(row, await group_names(conn, tenant_id))


async def knows_rep(conn: Connection, tenant_id: int, rep_id: str) -> bool:
    """Whether the tenant has a rep of this id (the CRM's)."""
    return await _SQL.current_rep.row(conn, tenant_id=tenant_id, rep_id=rep_id) is not None


async def rep_number(conn: Connection, tenant_id: int, rep_id: str) -> int:
    """The number of the rep of this id. Raises RepUnknown, with similar ids."""
    row = await _SQL.current_rep.row(conn, tenant_id=tenant_id, rep_id=rep_id)
    if row is None:
        raise RepUnknown(await _no_such_rep(conn, tenant_id, rep_id))
    number: int = row["rep_no"]
    return number


async def rep_numbers(conn: Connection, tenant_id: int, rep_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of the reps of these ids, of those that there are, active or not."""
    rows = await _SQL.numbers.fetch(conn, tenant_id=tenant_id, rep_ids=sorted(set(rep_ids)))
    return {row["rep_id"]: row["rep_no"] for row in rows}


async def load_roster(conn: Connection, tenant_id: int, version: int, known: Roster | None = None) -> Roster:
    """The roster as of any version (0 = nobody yet).

    With `known`, an earlier roster of the tenant, only what changed since is read: cheap however many reps.
    Raises LookupError for a version that never was.
    """
    if version and not await _SQL.version_exists.value(conn, tenant_id=tenant_id, version=version):
        raise LookupError(f"tenant {tenant_id} has no roster of version {version}")
    if known is None or known.version > version:
        rows = await _SQL.reps_as_of.fetch(conn, tenant_id=tenant_id, version=version)
        return Roster(version, tuple(map(_rep, rows)), await group_names(conn, tenant_id))
    rows = await _SQL.reps_changed.fetch(conn, tenant_id=tenant_id, since=known.version, version=version)
    changed = {row["rep_no"]: _rep(row) for row in rows}
    kept = [changed.pop(rep.no, rep) for rep in known.reps]
    # Numbers only grow: reps that are new stand behind all known ones.
    return Roster(version, (*kept, *changed.values()), await group_names(conn, tenant_id))


async def _locked(conn: Connection, tenant_id: int) -> tuple[int, str]:
    """The version in force and the tenant's zone, with the right to make the next version."""
    await limit_transaction(conn, _LOCK_WAIT_S * 1000)
    try:
        row = await _SQL.lock_tenant.row(conn, tenant_id=tenant_id)
    except asyncpg.LockNotAvailableError as error:
        raise RosterBusy(
            worded(
                "somebody else has been changing this roster for {seconds} s; nothing was changed, try again",
                seconds=_LOCK_WAIT_S,
            )
        ) from error
    if row is None:
        raise LookupError(f"there is no tenant number {tenant_id}")
    return row["roster"], row["time_zone"]


async def _applied(
    conn: Connection,
    tenant_id: int,
    version: int,
    intended: Plan,
    groups: GroupNumbers,
    lost: LostCoverage,
    *,
    author: str,
    note: str,
) -> RosterChange:
    """Writes the plan as the next version; an empty plan writes nothing."""
    if intended.empty:
        return _told(intended, version, version, lost)
    new = version + 1
    added, updated = intended.added, intended.updated
    await _SQL.add_version.execute(conn, tenant_id=tenant_id, version=new, author=author, note=note)
    await add_groups(conn, tenant_id, groups)
    await _SQL.add_reps.execute(
        conn, tenant_id=tenant_id, rep_nos=[r.rep_no for r in added], rep_ids=[r.rep_id for r in added]
    )
    await _SQL.end_rows.execute(conn, tenant_id=tenant_id, version=new, rep_nos=[rep.rep_no for rep in updated])
    rows = json.dumps([_columns(rep, groups) for rep in (*added, *updated)], default=datetime.isoformat)
    await _SQL.add_rows.execute(conn, tenant_id=tenant_id, version=new, rows=rows)
    await _SQL.put_in_force.execute(conn, tenant_id=tenant_id, version=new)
    await call_routers(conn, tenant_id)
    return _told(intended, version, new, lost)


def _lost(current: Mapping[str, RepRecord], intended: Plan) -> LostCoverage:
    """What the plan leaves without an available rep."""
    written = {rep.rep_id: rep for rep in (*intended.updated, *intended.added)}
    return lost_coverage(current.values(), {**current, **written}.values())


def _told(intended: Plan, previous: int, version: int, lost: LostCoverage) -> RosterChange:
    return RosterChange(
        version=version,
        previous=previous,
        added=tuple(rep.rep_id for rep in intended.added),
        changed=intended.changed,
        unchanged=intended.unchanged,
        missing=intended.missing,
        left_alone=lost.groups,
        emptied=lost.emptied,
        nobody_left=lost.everybody,
    )


def _columns(rep: RepRecord, groups: GroupNumbers) -> dict[str, Any]:
    """The columns of rep_row."""
    columns = {"rep_no": rep.rep_no, **rep.values}
    columns["weight_milli"] = columns.pop("weight")
    columns["groups"] = sorted(groups.intern(name) for name in rep.values["groups"])
    return columns


def record_of(row: asyncpg.Record | Mapping[str, Any], group_names: Mapping[int, str]) -> RepRecord:
    """A row of `current_reps`, or of another statement with the same columns. A statement that forgets one is a defect:
    what is missing would count as unchanged.
    """
    values = dict(row)
    rep_no, rep_id = values.pop("rep_no"), values.pop("rep_id")
    values["weight"] = values.pop("weight_milli")
    values["groups"] = tuple(sorted(group_names[no] for no in values["groups"]))
    values["regions"], values["industries"] = tuple(values["regions"]), tuple(values["industries"])
    if missing := DEFAULTS.keys() - values.keys():
        raise KeyError(f"columns of reps that were not asked for: {', '.join(sorted(missing))}")
    return RepRecord(rep_no, rep_id, values)


def _called(name: str, known: Mapping[str, str]) -> str | None:
    """The reps who may be meant by a name in place of the id, or by a part of it."""
    wanted = fold(name)
    by_name = [f"{rep_id} ({shown})" for rep_id, shown in known.items() if wanted and wanted in fold(shown)]
    return " or ".join(by_name[:_NAMED]) or None


async def _no_such_rep(conn: Connection, tenant_id: int, rep_id: str) -> Worded:
    known = {rep.rep_id: str(rep.values["name"]) for rep in await current_reps(conn, tenant_id)}
    meant = _called(rep_id, known) or suggestion(rep_id, known, limit=3)
    said = worded("there is no rep {rep!r}", rep=rep_id)
    if meant:
        return said + worded("; did you mean {rep}?", rep=meant)
    return said + worded_count("; the tenant has {count:,} rep", "; the tenant has {count:,} reps", len(known))


@lru_cache(maxsize=4096)
def _hours(text: str) -> WeekHours | None:
    return parse_week(text) if text else None


_leave = lru_cache(maxsize=4096)(parse_leave)


@lru_cache(maxsize=4096)
def _folded(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(fold, names))


def _rep(row: asyncpg.Record) -> Rep:
    return Rep(
        no=row["rep_no"],
        rep_id=row["rep_id"],
        name=row["name"],
        time_zone=row["time_zone"],
        active=row["active"],
        available=row["available"],
        availability_held_until=row["availability_held_until"],
        working_hours=_hours(row["working_hours"]),
        leave=_leave(row["leave"]),
        groups=frozenset(row["groups"]),
        regions=_folded(tuple(row["regions"])),
        industries=_folded(tuple(row["industries"])),
        weight=row["weight_milli"],
        max_open=row["max_open"],
        max_per_day=row["max_per_day"],
        holidays=row["holidays"] or None,
    )

"""The versions of a tenant's roster: who made them, and what they changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.roster_change import RepChange, RepRecord, differences
from router.store.groups import group_names
from router.store.roster import RosterVersionUnknown, record_of, rep_number
from router.store.statements import Connection, Row, load

_SQL = load("roster_history")


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """A version: when (UTC), by whom, what for, and how many reps it added and changed."""

    version: int
    at: datetime
    author: str
    note: str
    added: int
    changed: int


@dataclass(frozen=True, slots=True)
class VersionShown:
    """One version with all that it changed; `added` are rep ids. `in_force` = it is the newest one."""

    version: int
    at: datetime
    author: str
    note: str
    in_force: bool
    added: tuple[str, ...]
    changed: tuple[RepChange, ...]


@dataclass(frozen=True, slots=True)
class RepEntry:
    """What one version changed for one rep; `change` None = the rep came with it."""

    version: int
    at: datetime
    author: str
    note: str
    change: RepChange | None


async def history(conn: Connection, tenant_id: int, limit: int, before: int | None = None) -> list[RosterEntry]:
    """The versions of a tenant's roster, those below `before` (None = all), the last one first."""
    rows = await _SQL.history.fetch(conn, tenant_id=tenant_id, before=before, limit=limit)
    return [RosterEntry(*row) for row in rows]


async def version_shown(conn: Connection, tenant_id: int, version: int) -> VersionShown:
    """One version, rep by rep. Raises RosterVersionUnknown."""
    row = await _SQL.version.row(conn, tenant_id=tenant_id, version=version)
    if row is None or row["version"] is None:
        raise RosterVersionUnknown(version, row["roster"] if row else 0)
    names = await group_names(conn, tenant_id)
    written = await _SQL.rows_of_version.fetch(conn, tenant_id=tenant_id, version=version)
    rows = await _SQL.rows_before.fetch(conn, tenant_id=tenant_id, version=version)
    before = {one["rep_id"]: record_of(one, names) for one in rows}
    records = [record_of(one, names) for one in written]
    return VersionShown(
        row["version"],
        row["at"],
        row["author"],
        row["note"],
        row["version"] == row["roster"],
        tuple(rep.rep_id for rep in records if rep.rep_id not in before),
        tuple(_change(before[rep.rep_id], rep) for rep in records if rep.rep_id in before),
    )


async def rep_history(conn: Connection, tenant_id: int, rep_id: str, limit: int) -> list[RepEntry]:
    """What changed for one rep, the last version first. Raises RepUnknown."""
    rep_no = await rep_number(conn, tenant_id, rep_id)
    names = await group_names(conn, tenant_id)
    # One more is what the last of them changed.
    rows = await _SQL.rows_of_rep.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, limit=limit + 1)
    records = [_without_version(row, names) for row in rows]
    return [_entry(row, records, at) for at, row in enumerate(rows[:limit])]


def _entry(row: Row, records: Sequence[RepRecord], at: int) -> RepEntry:
    change = _change(records[at + 1], records[at]) if at + 1 < len(records) else None
    return RepEntry(row["version"], row["at"], row["author"], row["note"], change)


def _without_version(row: Row, names: dict[int, str]) -> RepRecord:
    return record_of(
        {key: value for key, value in row.items() if key not in ("version", "at", "author", "note")}, names
    )


def _change(before: RepRecord, after: RepRecord) -> RepChange:
    return RepChange(after.rep_id, differences(before.values, after.values))

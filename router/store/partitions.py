"""Partitions by time: which there are, making the next one, and letting go of old ones without holding up writers.

The youngest partition is open to the end of time, so that no clock and no pause of cleanup leaves a row without place.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from router.store.errors import LockNotAvailable, NotInPrerequisiteState
from router.store.statements import Connection, is_distributed, load
from router.store.transactions import limit_transaction, outside_transactions

_SQL = load("partitions")
COLUMNS = {"flight": "at", "assignment_history": "ended_at"}
"""The tables in partitions, and by which column they are."""
LOCK_MS = 300
"""So long writers may stand behind a change of the partitions."""
READING_S = 3_600.0
"""So long one statement may read a partition: what releases before wrote is in one, however large."""
_IDLE_MS = 5_000
_TO_BE_DROPPED = "'lead-router: to be dropped'"
_BOUND = re.compile(r"FROM \((MINVALUE|'[^']*')\) TO \((MAXVALUE|'[^']*')\)")


class Busy(Exception):
    """Somebody has the table or a partition locked; the message names it. To be tried again later."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows from `lower` until before `upper` (UTC; None = no bound). `pending` = it was let go, but not to the end."""

    name: str
    lower: datetime | None
    upper: datetime | None
    pending: bool = False


async def partitions(conn: Connection, parent: str) -> list[Partition]:
    """The oldest first."""
    async with conn.transaction():
        await _SQL.utc.row(conn)
        rows = await _SQL.partitions.fetch(conn, parent=parent)
    found = [Partition(row["name"], *_bounds(row["bound"]), row["pending"]) for row in rows]
    return sorted(found, key=lambda one: (one.lower is not None, one.lower or datetime.max.replace(tzinfo=UTC)))


def _bounds(text: str) -> tuple[datetime | None, datetime | None]:
    """Raises ValueError for a partition that is none of ours."""
    found = _BOUND.search(text)
    if found is None:
        raise ValueError(f"a partition has bounds that lead-router does not make: {text}")
    lower, upper = (None if one.endswith("VALUE") else datetime.fromisoformat(one.strip("'")) for one in found.groups())
    return lower, upper


async def newest_row(conn: Connection, parent: str, partition: str) -> datetime | None:
    """The latest time in a partition (UTC; None = it is empty)."""
    column = COLUMNS[parent]
    at: datetime | None = await conn.fetchval(f'select max({column}) from "{partition}"', timeout=READING_S)
    return at


async def count_rows(conn: Connection, partition: str) -> int:
    """All of a partition."""
    return int(await conn.fetchval(f'select count(*) from "{partition}"', timeout=READING_S))


async def holds_returns(conn: Connection, partition: str) -> bool:
    """Whether a partition of ended assignments has some of leads that a rep returned and that are not closed: that rep
    must not get them again.
    """
    found: bool = await conn.fetchval(
        f"""select exists (
                select from "{partition}" h where h.outcome = 'returned' and (
                    exists (select from lead_pool q where q.tenant_id = h.tenant_id and q.lead_id = h.lead_id)
                    or exists (select from assignment a where a.tenant_id = h.tenant_id and a.lead_id = h.lead_id)
                    or exists (select from parked k where k.tenant_id = h.tenant_id and k.lead_id = h.lead_id)))""",
        timeout=READING_S,
    )
    return found


async def oldest_flight_of_all(conn: Connection) -> datetime | None:
    """The time of the oldest flight record of any tenant (UTC)."""
    at: datetime | None = await _SQL.oldest_flight_of_all.value(conn)
    return at


async def close_open_end(conn: Connection, parent: str, last: Partition, upper: datetime, *, empty: bool) -> str:
    """The partition that is open to the end gets an upper bound, after all its rows, and a name; a new one follows it.

    Where it has rows, a constraint proves beforehand that they are within the bound: none are read while writers wait.
    Raises Busy.
    """
    if empty:
        return await _cut(conn, parent, last, upper)
    column, bound = COLUMNS[parent], f"{last.name}_bound"
    inside = f"{column} < '{upper.isoformat()}'"
    if last.lower:
        inside += f" and {column} >= '{last.lower.isoformat()}'"
    forget = f'alter table if exists "{{}}" drop constraint if exists "{bound}"'
    add = f'alter table "{last.name}" add constraint "{bound}" check ({inside}) not valid'
    await _step(conn, forget.format(last.name), add)
    name = last.name
    try:
        await _step(conn, f'alter table "{last.name}" validate constraint "{bound}"')
        name = await _cut(conn, parent, last, upper)
    finally:
        # A bound that stayed would refuse rows one day.
        await _step(conn, forget.format(name))
    return name


async def _cut(conn: Connection, parent: str, last: Partition, upper: datetime) -> str:
    name, at = f"{parent}_p{upper:%Y%m%d}", f"'{upper.isoformat()}'"
    lower = f"'{last.lower.isoformat()}'" if last.lower else "minvalue"
    await _step(
        conn,
        f'alter table "{parent}" detach partition "{last.name}"',
        f'alter table "{last.name}" rename to "{name}"',
        f'alter table "{parent}" attach partition "{name}" for values from ({lower}) to ({at})',
        f'create table "{last.name}" partition of "{parent}" for values from ({at}) to (maxvalue)',
        # On Citus no such thing can be said of a table that is distributed, as this one is from its beginning.
        *([] if is_distributed(conn) else [f'alter table "{last.name}" alter column tenant_id set statistics 0']),
    )
    return name


async def _step(conn: Connection, *statements: str) -> None:
    """One transaction, which waits for no lock longer than writers may."""
    try:
        async with conn.transaction():
            await limit_transaction(conn, LOCK_MS, _IDLE_MS)
            for statement in statements:
                await conn.execute(statement, timeout=READING_S)
    except LockNotAvailable as error:
        raise Busy(str(error)) from error


async def mark_removed(conn: Connection, parent: str, partition: Partition) -> None:
    """Notes for each tenant up to where its rows are gone, before they are: an audit must not take them for lost. The
    partition gets a mark, too, since a person may detach others in order to keep them. Raises Busy.
    """
    assert partition.upper is not None
    batch = "max(batch_no)" if parent == "flight" else "0"
    async with conn.transaction():
        await conn.execute(
            f"""insert into removed as r (tenant_id, name, upto, batch_no)
                select tenant_id, $1, $2, {batch} from "{partition.name}" group by tenant_id
                    on conflict (tenant_id, name) do update
                   set upto = greatest(r.upto, excluded.upto), batch_no = greatest(r.batch_no, excluded.batch_no)""",
            parent,
            partition.upper,
            timeout=READING_S,
        )
        try:
            await conn.execute(f'comment on table "{partition.name}" is {_TO_BE_DROPPED}')
        except LockNotAvailable as error:
            raise Busy(str(error)) from error


async def detach(conn: Connection, parent: str, partition: Partition, deadline_s: float) -> None:
    """Takes a partition out of its table, whose writers go on all the while. Raises Busy after `deadline_s`.

    Only a statement that is alone in its transaction may do so, in which no `set local` could limit what it waits for:
    so it is cancelled from here. What was begun is finished the next time.
    """
    # Citus detaches only at once: writers wait, as long as that takes.
    how = "finalize" if partition.pending else "" if is_distributed(conn) else "concurrently"
    statement = f'alter table "{parent}" detach partition "{partition.name}" {how}'
    try:
        await outside_transactions(conn).execute(statement, timeout=deadline_s)
    except TimeoutError as error:
        raise Busy(f"{partition.name} is in use, and was for {deadline_s:g} s") from error
    except NotInPrerequisiteState as error:
        # A lock, or another partition that was let go and not to the end.
        raise Busy(str(error)) from error


async def detached(conn: Connection, parent: str) -> list[str]:
    """Former partitions that were not dropped yet."""
    return [row["name"] for row in await _SQL.detached.fetch(conn, parent=parent)]


async def drop(conn: Connection, name: str) -> None:
    """Drops a former partition. Raises Busy."""
    await _step(conn, f'drop table "{name}"')

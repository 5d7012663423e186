"""Turns of foreign maintenance: asking for one, giving it back, and who had one (docs/maintenance.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from router.store.statements import Connection, load

_SQL = load("maintenance")

LATE = timedelta(seconds=30)
"""A turn given back later than this after its end has overrun; as in migration 0020."""


class NoFunctions(Exception):
    """This role finds no functions for maintenance, or may not call them; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of asking for a turn: `turn` None = there is none now, `reason` why (empty = there could be one).

    `until` = when the turn is over at the latest, by the database's clock (UTC); `rows` = how many may be deleted.
    """

    rows: int
    turn: int | None
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one script (role and name) did without a long break; tenant number 0 = for all tenants. Times in UTC.

    `turn` = the one that it has or never gave back; it is over at `ends_at`. `late` = how far it is past its deadline.
    """

    tenant_id: int
    run: int
    role: str
    name: str
    began_at: datetime
    last_at: datetime
    turn: int | None
    turn_at: datetime | None
    until: datetime | None
    alive_until: datetime | None
    budget: int
    turns: int
    refusals: int
    refused_why: str
    removed: int
    lapses: int
    overruns: int
    overrun_s: float
    overran_at: datetime | None
    now: datetime

    @property
    def ends_at(self) -> datetime | None:
        return min((at for at in (self.until, self.alive_until) if at is not None), default=None)

    @property
    def has_turn(self) -> bool:
        return self.turn is not None and self.ends_at is not None and self.ends_at > self.now

    @property
    def late(self) -> timedelta:
        """Zero while it is within its turn, gave it back, or is gone: it gives no sign of life."""
        if self.turn is None or self.until is None or self.ends_at != self.until:
            return timedelta(0)
        return max(timedelta(0), self.now - self.until)


async def take_turn(
    conn: Connection, tenant: str | None, rows: int, run_for: timedelta, alive_for: timedelta, name: str
) -> Answer:
    """Asks for a turn for `run_for`, lost when no sign of life comes for `alive_for`; `rows` 0 = only asks.

    `tenant` None = for all tenants. Raises LookupError for an unknown tenant, NoFunctions.
    """
    try:
        async with conn.transaction():
            await _SQL.find_functions.execute(conn)
            words = {"tenant": tenant, "rows": rows, "run_for": run_for, "alive_for": alive_for, "name": name}
            row = await _SQL.take_turn.row(conn, **words)
    except asyncpg.NoDataFoundError as error:
        raise LookupError(f"there is no tenant {tenant!r}; lead-router tenants list") from error
    except (asyncpg.UndefinedFunctionError, asyncpg.InsufficientPrivilegeError) as error:
        raise NoFunctions(_no_functions(error)) from error
    assert row is not None
    return Answer(row["may_delete"], row["turn"], row["until"], row["reason"])


async def keep_turn(conn: Connection, tenant: str | None, turn: int, alive_for: timedelta) -> bool:
    """A sign of life; returns whether the turn is still ours."""
    async with conn.transaction():
        await _SQL.find_functions.execute(conn)
        return bool(await _SQL.keep_turn.value(conn, tenant=tenant, turn=turn, alive_for=alive_for))


async def give_back(conn: Connection, tenant: str | None, turn: int) -> bool:
    """Ends the turn; returns whether it was still ours."""
    return await keep_turn(conn, tenant, turn, timedelta(0))


async def runs(conn: Connection, tenant_ids: Sequence[int], since: datetime) -> list[Run]:
    """Who asked for turns for these tenants (0 = for all) since then (UTC), or has one; the last first."""
    return [Run(*row) for row in await _SQL.runs.fetch(conn, tenant_ids=list(tenant_ids), since=since)]


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all tenants: turns that scripts have, turns past their end, rows removed, and times that it was not now."""

    open: int
    overrun: int
    removed: int
    refused: int


async def totals(conn: Connection, since: datetime) -> Totals:
    """Of the runs since then (UTC)."""
    row = await _SQL.totals.row(conn, since=since, late=LATE)
    assert row is not None
    return Totals(*row)


async def sessions_of(conn: Connection, run: Run) -> tuple[int, int]:
    """How many sessions of the script there are now, and of them at work."""
    row = await _SQL.sessions.row(conn, role=run.role, name=run.name)
    assert row is not None
    return row["sessions"], row["at_work"]


def _no_functions(error: asyncpg.PostgresError) -> str:
    grants = "grant the role usage on the schema lead_router, and execute on the functions in it"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{error}: {grants}"
    return f"no function take_turn is there for this role: run `lead-router migrate`, and {grants}"

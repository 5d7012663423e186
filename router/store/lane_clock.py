"""After a clock that was wrong: the lane goes on from now, its day is counted anew, and times that are yet to come are
dated back. docs/decisions/0022-whose-clock.md
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import randbits

from router.domain.clocks import CONFIRMED_FOR, JUMP, ahead_words
from router.store.changes import Change, record_change
from router.store.processes import SILENT_FOR_S
from router.store.statements import Connection, load
from router.store.tenants import Tenant
from router.store.transactions import limit_transaction, retried

_SQL = load("lane_clock")

ACTOR = "lead-router"
LOCK_TIMEOUT_MS = 2_000


class ClockUnsure(Exception):
    """What bears a time that is yet to come may be right, and this clock wrong; the message says what to do."""


async def lanes_ahead(conn: Connection, tenant_ids: Sequence[int]) -> dict[int, datetime]:
    """By tenant number: the latest time (UTC) of a batch or of one of the last leads, where it is yet to come."""
    return {row[0]: row[1] for row in await _SQL.lanes_ahead.fetch(conn, tenant_ids=tenant_ids)}


async def put_right(conn: Connection, tenant_id: int, last_at: datetime | None, now: datetime) -> int:
    """The lane, which the caller holds, goes on from `now` instead of `last_at`; returns its new token.

    What bears a time that is yet to come keeps it, since it may be this clock that is wrong: `reset_clock` dates it
    back.
    """
    await _SQL.whole_tables.execute(conn)
    await _look_again(conn, tenant_id, now)
    token = await _go_on(conn, tenant_id, now)
    if last_at is not None and last_at > now:
        why = f"the last batch was {ahead_words(last_at - now)} the clock"
        change = Change(ACTOR, "lane clock", "", _text(last_at), _text(now), why)
        await record_change(conn, tenant_id, change)
    return token


async def _look_again(conn: Connection, tenant_id: int, now: datetime) -> int | None:
    """At what batches refused whose time is yet to come; returns the first such batch."""
    first: int | None = await _SQL.first_ahead.value(conn, tenant_id=tenant_id, now=now)
    if first is not None:
        await _SQL.look_again.execute(conn, tenant_id=tenant_id, now=now, first=first)
    return first


async def _go_on(conn: Connection, tenant_id: int, now: datetime) -> int:
    token = randbits(63)
    await _SQL.set_lane.execute(conn, tenant_id=tenant_id, now=now, state_token=token)
    await _SQL.recount_day.execute(conn, tenant_id=tenant_id, now=now)
    return token


@dataclass(frozen=True, slots=True)
class LaneReset:
    """What `reset_clock` did: the lane's time before and after (UTC), until when the clock is believed, and how many
    rows of what were dated back.
    """

    before: datetime | None
    after: datetime
    believed_until: datetime
    dated: Mapping[str, int]


class _Back(Exception):
    """Takes everything back: it was to be counted only."""

    def __init__(self, done: LaneReset) -> None:
        super().__init__()
        self.done = done


@retried
async def reset_clock(
    conn: Connection,
    tenant: Tenant,
    actor: str,
    why: str,
    *,
    dry_run: bool = False,
    force: bool = False,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> LaneReset:
    """Believes the database's clock: dates back what bears a time that is yet to come, counts the day anew, and records
    it. `dry_run` = says what would be done, and does nothing; `force` = also where another clock says that these times
    are past.

    A batch that runs is waited for. Raises ClockUnsure without `force`, and asyncpg.LockNotAvailableError when somebody
    keeps the lane or a lead.
    """
    try:
        async with conn.transaction():
            await limit_transaction(conn, LOCK_TIMEOUT_MS)
            row = await _SQL.wait_for.row(conn, tenant_id=tenant.tenant_id)
            if row is None:
                raise LookupError(f"tenant {tenant.name} has no lane")
            ahead = host_clock() - await _SQL.clock.value(conn)
            done = await _reset(conn, tenant, row["last_at"], actor, why)
            if any(done.dated.values()) and not (force or dry_run):
                await _doubt(conn, ahead)
            if dry_run:
                raise _Back(done)
    except _Back as back:
        return back.done
    return done


async def doubt_clock(conn: Connection, host_clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
    """Raises ClockUnsure where it may be the database's clock that is wrong."""
    await _doubt(conn, host_clock() - await _SQL.clock.value(conn))


async def _doubt(conn: Connection, ahead: timedelta) -> None:
    """Raises ClockUnsure where this host's clock, or that of a router's host, is ahead of the database's."""
    of_routers = await _SQL.ahead_of_us.value(conn, recent_s=SILENT_FOR_S, jump_s=JUMP.total_seconds())
    ahead = max(ahead, timedelta(seconds=of_routers or 0))
    if ahead > JUMP:
        raise ClockUnsure(
            f"a host's clock is {ahead_words(ahead)} the database's: what seems to be of a time to come may be right. "
            "Put the database's clock right first; nothing was changed (--force dates back all the same)"
        )


async def _reset(conn: Connection, tenant: Tenant, last_at: datetime | None, actor: str, why: str) -> LaneReset:
    now: datetime = await _SQL.clock.value(conn)
    until = now + CONFIRMED_FOR
    of = {"tenant_id": tenant.tenant_id}
    await _SQL.whole_tables.execute(conn)
    await _look_again(conn, tenant.tenant_id, now)
    flights = await _SQL.date_flights.fetch(conn, now=now, **of)
    batches = {"batch_nos": [row[0] for row in flights], "ats": [row[1] for row in flights]}
    leads = await _SQL.date_leads.fetch(conn, now=now, **of)
    came = dict(zip(("lead_ids", "received_ats", "created_ats"), map(list, zip(*leads, strict=True)), strict=False))
    came = came or {"lead_ids": [], "received_ats": [], "created_ats": []}
    dated = {
        "batches": len(flights),
        "assignments": await _SQL.date_assignments.execute(conn, now=now, **batches, **of),
        "past assignments": await _SQL.date_history.execute(conn, now=now, **batches, **of),
        "leads": len(leads),
        "waiting leads": await _SQL.date_pool.execute(conn, now=now, **came, **of),
        "parked leads": await _SQL.date_parked.execute(conn, now=now, **of),
        "merged leads": await _SQL.date_merged.execute(conn, now=now, **of),
        "closed leads": await _SQL.date_closed.execute(conn, now=now, **of),
        "endings": await _SQL.date_inbox.execute(conn, now=now, **of),
        "pauses": await _SQL.shorten_pause.execute(conn, now=now, **of),
    }
    await _go_on(conn, tenant.tenant_id, now)
    await _SQL.confirm.execute(conn, now=now, until=until, **of)
    found = ", ".join(f"{rows} {what}" for what, rows in dated.items() if rows)
    before = "" if last_at is None else _text(last_at)
    after = f"{_text(now)}; {found or 'nothing'} dated back"
    await record_change(conn, tenant.tenant_id, Change(actor, "lane clock", tenant.name, before, after, why))
    return LaneReset(last_at, now, until, dated)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()

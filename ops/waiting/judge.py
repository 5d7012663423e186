"""All that waits in a tenant, counted by reason: pauses, locks, and what the judge says of refused leads."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ops.waiting.waiting import READY, Tally, Waiting, WaitingLeads, WaitsFor
from router.domain.chance import Chance
from router.domain.reason import Reason
from router.domain.written_time import written
from router.drain.presence import Presence
from router.store.blocking.blocked import NOT_BLOCKED, Blocked, BlockedLeads, locked_leads
from router.store.blocking.judge import Session
from router.store.statements import Connection, Row
from router.store.waiting import TenantNow, pool_by_key, tenant_now

if TYPE_CHECKING:
    from ops.waiting.present import Key
    from router.store.engines import Engines


def hold_of(tenant: TenantNow) -> WaitsFor | None:
    """What keeps every lead of the tenant waiting: a pause, or that there are no rules yet; None = nothing does."""
    if tenant.paused_until is not None:
        why = f" ({tenant.paused_why})" if tenant.paused_why else ""
        words = f"the end of the pause at {written(tenant.paused_until, tenant.time_zone)}{why}"
        return WaitsFor(
            Reason.PAUSED, words, until=tenant.paused_until, planned=True, chance=Chance(tenant.paused_until)
        )
    return None if tenant.versions[0] else WaitsFor(Reason.NO_MATCHING_RULE, "the tenant's first ruleset")


async def judge_keys(
    conn: Connection,
    presence: Presence,
    tenant: TenantNow,
    keys: Sequence[Key],
    engines: Engines | None = None,
    *,
    outlook: bool = True,
) -> Mapping[int, WaitsFor | None]:
    """Why the leads of each wake key wait, by number; None = the next batch looks at them.

    `engines` keeps what was read, for those who ask again and again. Without `outlook` no chances are worked out: with
    thousands of reps and rules that takes seconds.
    """
    hold = hold_of(tenant)
    if hold is not None or not any(targets is not None and of == tenant.versions[0] for _, of, targets in keys):
        # No rule in force refused a lead: what a tenant without a queue costs must not depend on its roster and rules.
        return dict.fromkeys((number for number, _, _ in keys), hold)
    from ops.waiting.present import present  # noqa: PLC0415
    from router.store.engines import Engines  # noqa: PLC0415

    return (await present(conn, engines or Engines(1), presence, tenant)).judge(keys, outlook=outlook)


async def waiting_by_reason(
    conn: Connection,
    presence: Presence,
    tenant_id: int,
    now: datetime | None = None,
    blocked: Blocked = NOT_BLOCKED,
    engines: Engines | None = None,
    *,
    outlook: bool = True,
) -> Waiting:
    """As `judge_pool`, without the keys."""
    return (await judge_pool(conn, presence, tenant_id, now, blocked, engines, outlook=outlook))[0]


async def judge_pool(
    conn: Connection,
    presence: Presence,
    tenant_id: int,
    now: datetime | None = None,
    blocked: Blocked = NOT_BLOCKED,
    engines: Engines | None = None,
    *,
    outlook: bool = True,
) -> tuple[Waiting, Mapping[int, WaitsFor | None]]:
    """Counts what waits, by reason; `READY` = the next batch will look at the lead. And why each wake key's leads wait.

    These are leads that were never tried, that a former ruleset refused, that are due, and as many of each wake
    key as somebody could take; those of them that `blocked` keeps are counted apart. `now` None = the database's clock.
    Reads every pool row of the tenant once, twice where rows are locked (see docs/operating.md for what that costs).
    Raises LookupError when there is no such tenant.
    """
    tenant = await tenant_now(conn, tenant_id, now)
    rows = await pool_by_key(conn, tenant_id, tenant.now)
    keys = [(row["wake_key"], row["ruleset"], row["targets"]) for row in rows]
    judged = await judge_keys(conn, presence, tenant, keys, engines, outlook=outlook)
    kept = _Kept(blocked, tenant.name, await locked_leads(conn, tenant_id, blocked))
    reasons, again = _counted(rows, judged, kept, tenant.now)
    return Waiting(tenant_id, tenant.now, reasons, kept.blocked, again), judged


def _counted(
    rows: Iterable[Row], judged: Mapping[int, WaitsFor | None], kept: _Kept, now: datetime
) -> tuple[tuple[WaitingLeads, ...], int]:
    """Leads by reason, and how many of the ready ones were tried before."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    again = 0
    for number, _, _, leads, due, oldest, recheck in rows:
        why = judged[number]
        ready = leads if why is None else min(leads, why.room + _due(why, due))
        blocked = kept.of(number, leads, ready)
        for one in blocked:
            tallies[Reason.DATABASE_BUSY].add(one.leads, oldest, None, one.words)
        free = ready - sum(one.leads for one in blocked)
        if free:
            again += free if number else 0
            tallies[READY].add(free, oldest, None, "a share of the next batches" if number else "the next batch")
        if why is not None and leads > ready:
            tally, until = tallies[why.reason], why.until or recheck
            tally.add(leads - ready, oldest, until, why.words, planned=why.planned, group=why.group)
            tally.wait_on(why, oldest, until, now)
    parts = [tally.total(str(reason)) for reason, tally in tallies.items()]
    return tuple(sorted(parts, key=lambda part: (-part.leads, part.reason))), again


def _due(why: WaitsFor, due: int) -> int:
    """In a pause nobody is looked at, due or not; nor before the first ruleset."""
    return 0 if why.reason is Reason.PAUSED else due


class _Kept:
    """Who keeps how many of a tenant's ready leads."""

    def __init__(self, blocked: Blocked, tenant: str, locked: dict[int, list[tuple[Session, int]]]) -> None:
        self._whole = blocked.lane_of(tenant)
        self._locked = locked
        self._found: Counter[tuple[Session, str]] = Counter()

    def of(self, wake_key: int, leads: int, ready: int) -> list[BlockedLeads]:
        """Those of `ready` leads, out of `leads` under the key, that cannot be taken: all, or what free rows leave."""
        if self._whole is not None:
            parts = [(*self._whole, ready)]
        else:
            holders = self._locked.get(wake_key, [])
            left = max(0, ready - (leads - sum(count for _, count in holders)))
            parts = []
            for session, count in holders:
                parts.append((session, "rows", min(count, left)))
                left -= parts[-1][2]
        blocked = [BlockedLeads(session, holds, count) for session, holds, count in parts if count]
        self._found.update({(one.session, one.holds): one.leads for one in blocked})
        return blocked

    @property
    def blocked(self) -> tuple[BlockedLeads, ...]:
        return tuple(BlockedLeads(*who, leads) for who, leads in self._found.most_common())

"""One batch: fold the inbox, claim, decide, write, close; all in the transaction that holds the lane."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

from router.domain.decide import Assigned, Parked, Waiting
from router.domain.reason import Reason
from router.drain.claim import Claimed, claim, fold
from router.drain.lane_state import LaneState
from router.drain.outcome import Drained
from router.drain.overlap import Decided, decide_and_assign
from router.drain.request import BatchRequest
from router.drain.write import close, write_others
from router.store import pool
from router.store.errors import PostgresError, Trouble, trouble_of
from router.store.lane import NO_NEWS, Lane
from router.store.statements import Connection
from router.telemetry.instruments import Phase
from router.telemetry.stopwatch import Stopwatch


class BatchRefused(Exception):
    """The database refuses what a batch would write, and says why; it was rolled back. `lead_ids` were in it."""

    def __init__(self, lead_ids: list[int], why: PostgresError) -> None:
        super().__init__(f"{type(why).__name__}: {why}")
        self.lead_ids = lead_ids
        self.why = why


async def run_batch(
    conn: Connection, lane: Lane, state: LaneState, request: BatchRequest, *, token: int, watch: Stopwatch
) -> Drained:
    """Does one batch while the lane is held; changes `state`, which is true only once the transaction commits.

    Raises BatchRefused.
    """
    news = await fold(conn, lane)
    claimed = await claim(conn, lane, state, request, news)
    watch.lap(Phase.CLAIM)
    with _refusals(claimed):
        decided = await decide_and_assign(conn, lane, state, request, claimed, watch)
        next_key = await write_others(conn, lane, state, decided)
        more, stuck = await close(conn, lane, state, request, claimed, decided, next_key, token)
    watch.lap(Phase.WRITE)
    return _drained(lane, request, claimed, decided, more=more, stuck=stuck)


async def park_batch(conn: Connection, lane: Lane, state: LaneState, request: BatchRequest) -> Drained:
    """Parks the leads undecided, without a record: a batch that never came through cannot be run again.

    The news is left for the next batch, since no loads are written. Raises BatchRefused.
    """
    claimed = await claim(conn, lane, state, request, NO_NEWS)
    leads = claimed.in_order()
    with _refusals(claimed):
        for lead in leads:
            why = Parked(Reason.INTERNAL_ERROR, request.parked_for)
            await pool.park_undecided(conn, lane.tenant_id, claimed.moment.now, lead, why)
    parked = Counter({Reason.INTERNAL_ERROR: len(leads)})
    return Drained(tenant=lane.tenant, batches=1 if leads else 0, parked=+parked, more=True)


@contextmanager
def _refusals(claimed: Claimed) -> Iterator[None]:
    """Names the leads of a batch with what the database says of a row that it will not have."""
    try:
        yield
    except PostgresError as error:
        if not claimed or trouble_of(error) is not Trouble.REFUSED_ROW:
            raise
        raise BatchRefused([lead.lead_id for lead in claimed.in_order()], error) from error


def _drained(
    lane: Lane, request: BatchRequest, claimed: Claimed, decided: Decided | None, *, more: bool, stuck: bool
) -> Drained:
    seen = Drained(
        tenant=lane.tenant,
        more=more,
        stuck=stuck,
        cursor=claimed.cursor(request),
        look_s=claimed.look_s,
        ranks=frozenset(lead.rank for lead in claimed.ready),
        looked_at=claimed.moment.now if claimed.saw_all(request) and not more else None,
    )
    if decided is None:
        return seen
    now, decisions, reasons = decided.book.at, decided.outcome.decisions, decided.outcome.reasons
    waits = [
        (now - lead.queued_at).total_seconds()
        for lead, decision in zip(decided.inputs.leads, decisions, strict=True)
        if isinstance(decision, Assigned)
    ]
    return replace(
        seen,
        batches=1,
        assigned=len(waits),
        refused=Counter(reasons[d.targets] for d in decisions if isinstance(d, Waiting)),
        parked=Counter(d.reason for d in decisions if isinstance(d, Parked)),
        waits_s=(median(waits), max(waits)) if waits else None,
    )

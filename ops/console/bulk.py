"""Parking, or sending back, all leads that match a filter: as a job, one lead at a time, each recorded by itself."""

from collections.abc import Awaitable, Callable
from typing import Any

from ops.api.running import Job
from ops.console.view import View
from ops.listing.lead_filter import LeadFilter
from ops.listing.leads import Page, list_leads
from router.store.assignments import FoundLead, LeadUnknown
from router.store.errors import LOCK_TIMEOUTS
from router.store.parking import CannotMove, park, unpark
from router.store.statements import Connection

LIMIT = 1_000
"""The most leads of one action; what is left matches the filter still."""

Move = Callable[[Connection, FoundLead, str, str], Awaitable[object]]
MOVES: dict[str, Move] = {"park": park, "unpark": unpark}


async def matching(view: View, asked: LeadFilter) -> Page:
    """The leads that the action would take; `next` says whether there are more."""
    call, means = view.call(), view.shared.means
    async with call.connection() as conn, means.presence() as presence:
        return await list_leads(conn, presence, call.tenant.tenant_id, asked, limit=LIMIT, engines=means.engines)


async def start(view: View, kind: str, numbers: list[int], why: str, *, more: bool) -> Job:
    """Does it with these leads; those that moved meanwhile, or that somebody has locked, are left and counted.
    Raises Refused while another one of its kind runs.
    """
    call, move = view.call(), MOVES[kind]

    async def work(job: Job) -> dict[str, Any]:
        job.total, done, left = len(numbers), 0, 0
        async with view.shared.means.job_connection(call) as conn:
            for at, number in enumerate(numbers):
                try:
                    await move(conn, FoundLead(call.tenant.tenant_id, number), call.actor, why)
                    done += 1
                except (CannotMove, LeadUnknown, *LOCK_TIMEOUTS):
                    left += 1
                job.reach(at + 1)
        return {"leads": done, "left": left, "more_match": more}

    return await view.shared.jobs.start("park" if kind == "park" else "unpark", call, work)

"""What forms and webhooks share: handing in their leads, refusing, and noting both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from router.domain.lead_in import LeadIn
from router.http.operations import Call
from router.http.problems import FieldProblem, Kind, Refused, busy, pointer_to
from router.http.source_doors import utc_now
from router.intake.group_commit import TooManyWaiting
from router.intake.hand_in import HandedIn, Outcome, Unstorable
from router.intake.json_lead import FieldError, NotALead
from router.intake.lead_intake import NotDurable
from router.store.connections.connections import Part
from router.store.errors import TRANSIENT_ERRORS
from router.telemetry.intake_instruments import IntakeResult, IntakeRoute

_MAX_ERRORS = 100
_NOTE_S = 1.0


async def hand_in_all(call: Call, leads: Sequence[LeadIn]) -> None:
    """Returns once all are committed, and counts them. Raises Refused, also for those that cannot be stored."""
    tenant_id, singles = call.tenant.tenant_id, call.leads.singles
    handing_in = (singles.hand_in(tenant_id, HandedIn(lead)) for lead in leads)
    outcomes = await asyncio.gather(*handing_in, return_exceptions=True)
    taken = [one for one in outcomes if not isinstance(one, BaseException | Unstorable)]
    if taken:
        call.leads.book.took(call.source.key, len(taken))
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise _refusal(outcome)
    unstorable = [_not_a_lead(one) for one in outcomes if isinstance(one, Unstorable)]
    if unstorable:
        raise refuse_lead(unstorable)


def _refusal(error: BaseException) -> BaseException:
    if isinstance(error, TooManyWaiting):
        return Refused(Kind.TOO_MANY, f"not all was stored: {error}; send it again", headers={"Retry-After": "1"})
    if isinstance(error, NotDurable):
        return busy(f"{error}; it is not known whether all is stored: send it again, which does no harm")
    return error


def _not_a_lead(outcome: Outcome) -> NotALead:
    assert isinstance(outcome, Unstorable)
    return NotALead([FieldError((), outcome.reason)])


def refuse_lead(wrong: Sequence[NotALead]) -> Refused:
    """The refusal of leads, with a pointer to each value that is wrong."""
    found = [FieldProblem(pointer_to(*error.path), error.reason) for one in wrong for error in one.errors]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    detail = f"{found[0].pointer or 'the body'}: {found[0].reason}{more}"
    return Refused(Kind.INVALID, detail, found[:_MAX_ERRORS])


@asynccontextmanager
async def noting(call: Call, body: bytes, sent_id: str = "", *, at_once: bool = False) -> AsyncIterator[None]:
    """Notes a refusal within: soon, or before it is answered (`at_once`), so that it is there for who looks."""
    try:
        yield
    except Refused as refused:
        if refused.kind in (Kind.INVALID, Kind.WRONG_MEDIA_TYPE):
            call.leads.intake.instruments.leads(IntakeRoute.SINGLE, IntakeResult.REFUSED)
        reasons = [f"{error.pointer or 'the body'}: {error.reason}" for error in refused.errors] or [refused.detail]
        book = call.leads.book
        book.refused(call.source.key, utc_now(), refused.kind.status, "; ".join(reasons), sent_id, body)
        if at_once:
            # Where it cannot be written now, the service does it later.
            with suppress(*TRANSIENT_ERRORS, TimeoutError):
                async with asyncio.timeout(_NOTE_S):
                    await book.write(call.connections, Part.INTAKE)
        raise


def address_of(request: web.Request, header: str | None) -> str:
    """The client's address, or what the proxy says that it is: the last value of its header."""
    values = request.headers.getall(header, []) if header else []
    said = values[-1].rpartition(",")[2].strip() if values else ""
    return said[:100] or request.remote or ""

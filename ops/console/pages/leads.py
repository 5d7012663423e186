"""Looking for leads: by a word, or by a filter that stands in the address, page by page."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from msgspec.structs import asdict, replace

from ops.api.personal import seen_by
from ops.console.in_time import Missed, in_time
from ops.console.lead_query import LeadQuery, read_query
from ops.console.view import View
from ops.listing.cursor import CursorInvalid
from ops.listing.lead_filter import REASONS, FiltersConflict, State
from ops.listing.lead_row import LeadRow, Person
from ops.listing.leads import GroupUnknown, Page, leads_numbered, list_leads
from router.domain.access import Permission
from router.domain.masking import mask_email, mask_phone
from router.domain.worded import said_by, worded
from router.domain.worded_phrases import in_a_row
from router.http.problems import Kind, Refused
from router.store.assignments import LeadUnknown, find_lead
from router.store.lead_search import LOOKED_AT, newest_with
from router.store.roster import RepUnknown

SHOWN, COUNTED, IN_FILE = 50, 1_000, 10_000
_AT_ONCE = 1_000
_COLUMNS = [
    "lead_id",
    "source",
    "external_id",
    "state",
    "state_since",
    "reason",
    "waits_for",
    "next_attempt_at",
    "rep_id",
    "rep_name",
    "outcome",
    "created_at",
    "accepted_at",
    "customer_id",
    "region",
    "industry",
    "product",
    "campaign",
]
_PERSON = ("name", "phone", "email", "company")
_NOT_THERE = (FiltersConflict, CursorInvalid, RepUnknown, GroupUnknown)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of leads, or why there is none: `problems` of the question, or what was `missed`."""

    leads: Sequence[LeadRow] = ()
    next: str | None = None
    problems: tuple[str, ...] = ()
    missed: Missed | None = None

    @property
    def status(self) -> int:
        return 503 if self.missed else 422 if self.problems else 200


async def leads(view: View) -> web.Response:
    """The list, with its filter usable whatever happens to the query."""
    query = read_query(view.query, view.zone_name)
    found = Found(problems=query.wrong) if query.wrong else await _found(view, query)
    if query.word and len(found.leads) == 1 and not view.query.get("after"):
        return view.go(view.link(f"/leads/{found.leads[0].lead_id}"))
    return view.render(
        "leads.html",
        found.status,
        query=query,
        found=found,
        states=list(State),
        reasons=REASONS,
        looked_at=LOOKED_AT,
        in_file=IN_FILE,
    )


async def count(view: View) -> web.Response:
    """How many match, counted up to a limit: loaded apart, as it may take longer than the list."""
    query = read_query(view.query, view.zone_name)
    if query.wrong or query.word:
        raise Refused(Kind.INVALID, in_a_row(query.wrong) if query.wrong else worded("a search is not counted"))
    found = await _found(view, query, COUNTED)
    if found.status != 200:
        raise Refused(
            Kind.BUSY if found.missed else Kind.INVALID,
            in_a_row(found.problems) if found.problems else worded("this takes too long"),
        )
    return view.render("count.html", number=len(found.leads), limit=COUNTED if found.next else None)


async def leads_csv(view: View) -> web.StreamResponse:
    """The leads of the filter, as far as a file goes; contacts masked for who may not see them."""
    query = read_query(view.query, view.zone_name)
    if query.wrong:
        raise Refused(Kind.INVALID, in_a_row(query.wrong))
    return await view.stream_csv("leads", (*_COLUMNS, *_PERSON), _parts(view, query))


async def _parts(view: View, query: LeadQuery) -> AsyncIterator[Sequence[Sequence[object]]]:
    """The rows of the file, page by page: no connection is held while a browser takes them."""
    left, size, after = IN_FILE, SHOWN, None
    while left:
        try:
            async with asyncio.timeout(view.shared.settings.page_deadline_s):
                page = await _page(view, query, min(size, left), after)
        except _NOT_THERE as error:
            raise Refused(Kind.INVALID, view.words(said_by(error))) from error
        yield [_cells(row) for row in page.leads]
        left, size, after = left - len(page.leads), _AT_ONCE, page.next
        if after is None:
            return


def _cells(row: LeadRow) -> list[object]:
    return [*(getattr(row, name) for name in _COLUMNS), *(getattr(row.person, name) for name in _PERSON)]


def _seen(view: View, row: LeadRow) -> LeadRow:
    """As the token may see it: contacts may stand in any field that a source fills."""
    if view.token.may(Permission.PERSONAL):
        return row
    texts = {name: value for name, value in asdict(row).items() if type(value) is str}
    person = row.person
    masked = Person(
        None if person.name is None else view.words(person.name),
        mask_phone(person.phone),
        mask_email(person.email),
        None if person.company is None else view.words(person.company),
    )
    return replace(row, **seen_by(view.call(), texts), person=masked)


async def _found(view: View, query: LeadQuery, limit: int = SHOWN) -> Found:
    try:
        page = await in_time(view, _page(view, query, limit, view.query.get("after")))
    except _NOT_THERE as error:
        return Found(problems=(view.words(said_by(error)),))
    return Found(missed=page) if isinstance(page, Missed) else Found(page.leads, page.next)


async def _page(view: View, query: LeadQuery, limit: int, after: str | None) -> Page:
    page = await _unmasked(view, query, limit, after)
    return replace(page, leads=tuple(_seen(view, row) for row in page.leads))


async def _unmasked(view: View, query: LeadQuery, limit: int, after: str | None) -> Page:
    call = view.call()
    tenant_id, engines = call.tenant.tenant_id, view.shared.means.engines
    async with call.connection() as conn, view.shared.means.presence() as presence:
        if not query.word:
            return await list_leads(conn, presence, tenant_id, query.asked, after=after, limit=limit, engines=engines)
    numbers = await numbers_for(view, query.word, limit)
    async with call.connection() as conn, view.shared.means.presence() as presence:
        return await leads_numbered(conn, presence, tenant_id, numbers, engines)


async def numbers_for(view: View, word: str, limit: int) -> list[int]:
    """Leads that a word names: one by its number or external id, else those of a customer's phone or e-mail address,
    and those with the word in a name.
    """
    call = view.call()
    tenant = call.tenant
    async with call.connection() as conn:
        with suppress(LeadUnknown):
            return [(await find_lead(conn, word, tenant.name)).lead_id]
        found = await newest_with(conn, tenant.tenant_id, word, limit)
    if any(letter in word for letter in "@0123456789"):
        # No customer is known so: what the newest leads say is all there is.
        with suppress(Refused):
            customer = await view.ask("get_customer", path={"customer": word})
            found += [one.lead_id for one in customer.leads]
    return sorted(set(found), reverse=True)[:limit]

"""Leads that wait and leads that are parked, by reason; and acting on all that match, counted before."""

from typing import Any

from aiohttp import web

from ops.api.running import JobDocument
from ops.console import bulk
from ops.console.in_time import Missed, in_time
from ops.console.lead_query import LeadQuery, read_query
from ops.console.pages.now import chance_rows, locked, standing
from ops.console.refusal import Said, why_of
from ops.console.view import View
from ops.listing.lead_filter import FiltersConflict, State
from ops.listing.leads import GroupUnknown
from ops.text.translation import N_
from router.domain.access import Permission
from router.domain.worded import said_by, worded
from router.domain.worded_phrases import in_a_row
from router.http.problems import Kind, Refused
from router.store.roster import RepUnknown

_STATE = {"park": State.WAITING, "unpark": State.PARKED}
TITLES = {"park": N_("Park all that match"), "unpark": N_("Send back all that match")}
_MISSED = N_("they cannot be counted now: the database is busy, or somebody has a table locked; try again")
_SEARCHED = N_("a search has no action on all of its leads: use the filter without a search word")
RESULTS = {
    "sent_back": N_("sent back"),
    "looked_at_again": N_("looked at again"),
    "locked": N_("left, as somebody has them locked"),
    "stopped": N_("stopped before the end"),
    "leads": N_("leads done"),
    "left": N_("left, as they had moved or were locked"),
    "more_match": N_("more match than one action takes: do it again"),
}


async def waiting(view: View) -> web.Response:
    """Why they wait, and for what they are parked."""
    document = await standing(view)
    if document is None:
        return await locked(view)
    [tenant] = document.tenants
    return view.render(
        "waiting.html", tenant=tenant, waiting=chance_rows(view, document), operate=view.may(Permission.OPERATE)
    )


async def parked_csv(view: View) -> web.Response:
    """Parked leads by reason."""
    document = await view.status()
    columns = ("reason", "leads", "oldest_parked_at", "newest_parked_at", "last_hour", "last_day")
    rows = ([part[name] for name in columns] for part in document.tenants[0]["parked"])
    return view.csv("parked", columns, rows)


async def retry(view: View) -> web.Response:
    """What a retry would do, and the form that does it."""
    reason = view.query.get("reason", "")
    plan = await view.ask("retry_leads", body={**_reason(reason), "dry_run": True})
    parts: dict[str, Any] = plan.tenants[0] if plan.tenants else {}
    return view.render("retry.html", reason=reason, plan=parts)


async def retry_now(view: View) -> web.Response:
    """Starts it as a job."""
    why = why_of(view)
    job: JobDocument = await view.ask("retry_leads", body={**_reason(view.form.get("reason", "")), "why": why})
    return view.go(view.link(f"/jobs/{job.id}"))


def _reason(reason: str) -> dict[str, str]:
    return {"reason": reason} if reason else {}


async def all_matching(view: View) -> web.Response:
    """How many match, and the form that parks them or sends them back."""
    kind = view.request.match_info["kind"]
    query, page = await _matching(view, kind, view.query)
    return view.render(
        "bulk.html",
        kind=kind,
        title=view.say.gettext(TITLES[kind]),
        query=query,
        number=len(page.leads),
        limit=bulk.LIMIT if page.next else None,
    )


async def all_matching_now(view: View) -> web.Response:
    """Starts it as a job, with those that match now."""
    kind, why = view.request.match_info["kind"], why_of(view)
    _, page = await _matching(view, kind, view.form)
    job = await bulk.start(view, kind, [one.lead_id for one in page.leads], why, more=page.next is not None)
    return view.go(view.link(f"/jobs/{job.job_id}"))


async def _matching(view: View, kind: str, parameters: Any) -> tuple[LeadQuery, Any]:
    if kind not in _STATE:
        raise Refused(Kind.NOT_FOUND, worded("there is no such action"))
    query = read_query({**parameters, "state": str(_STATE[kind])}, view.zone_name)
    if query.word:
        raise Said(Kind.INVALID, view.say.gettext(_SEARCHED))
    if query.wrong:
        raise Refused(Kind.INVALID, in_a_row(query.wrong))
    try:
        page = await in_time(view, bulk.matching(view, query.asked))
    except (FiltersConflict, RepUnknown, GroupUnknown) as error:
        raise Refused(Kind.INVALID, view.words(said_by(error))) from error
    if isinstance(page, Missed):
        raise Said(Kind.BUSY, view.say.gettext(_MISSED))
    return query, page


async def job(view: View) -> web.Response:
    """How far a job is, and what came of it."""
    document: JobDocument = await view.ask("get_job", path={"job": view.request.match_info["job"]})
    if document.kind == "handover":
        return view.go(view.link(f"/handovers/{document.id}"))
    if document.kind == "replay":
        return view.go(view.link(f"/rules/replays/{document.id}"))
    result = [
        (view.say.gettext(title), document.result[name])
        for name, title in RESULTS.items()
        if document.result is not None and document.result.get(name) not in (None, False, [])
    ]
    return view.render("job.html", job=document, result=result, operate=view.may(Permission.OPERATE))


async def cancel(view: View) -> web.Response:
    """Ends a job; what it has done stays done."""
    number = view.request.match_info["job"]
    await view.ask("cancel_job", path={"job": number})
    return view.go(view.link(f"/jobs/{number}"), view.say.gettext("Cancelled. What was done stays done."))

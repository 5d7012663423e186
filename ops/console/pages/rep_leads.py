"""The open leads of a rep: for the rep, with the own availability; and for a manager."""

from typing import Any

from aiohttp import web

from ops.api.assignments import HeldPage
from ops.api.ids import LEAD_OF_REP, number_of
from ops.console.pages.reps import path_of, switch, switched_words
from ops.console.refusal import Said
from ops.console.view import View
from ops.text.translation import N_
from ops.why.collect import why
from ops.why.events import event_words
from router.domain.access import Permission
from router.domain.lead import FACT_FIELDS
from router.domain.worded import worded
from router.http.problems import Kind, Refused
from router.store.assignments import FoundLead

OWN = "/my-leads"
SHOWN, IN_FILE = 50, 1_000
ORDERS = {"oldest": N_("oldest first"), "newest": N_("newest first")}
_COLUMNS = ("lead_id", "assigned_at", "name", "company", "phone", "email", "source", "external_id", "by_hand")
_NO_REASON = N_("say why the lead is returned: the next rep, and your manager, read it")
_NO_REP = N_("this token is not of a rep, so it has no leads of its own")


async def my_leads(view: View) -> web.Response:
    """The first page of a rep."""
    rep_id = own_rep(view)
    return await _leads(view, rep_id, OWN, own=True)


async def my_leads_csv(view: View) -> web.Response:
    """The same, as far as a file goes."""
    return await _leads_csv(view, own_rep(view))


async def leads_of_rep(view: View) -> web.Response:
    """Those of any rep."""
    rep_id = view.request.match_info["rep"]
    return await _leads(view, rep_id, path_of(rep_id, "/leads"), own=False)


async def leads_of_rep_csv(view: View) -> web.Response:
    """The same."""
    return await _leads_csv(view, view.request.match_info["rep"])


async def my_lead(view: View) -> web.Response:
    """One of the own leads: who it is, what happened to it, and how it can end."""
    own_rep(view)
    call, number = view.call(), number_of(view.request.match_info["lead"], LEAD_OF_REP)
    document = await view.ask("get_lead", path={"id": str(number)})
    async with call.connection() as conn:
        description = await why(conn, FoundLead(call.tenant.tenant_id, number), most_changes=0)
    return view.render(
        "my_lead.html",
        lead=document,
        facts={name: document.facts[name] for name in FACT_FIELDS if document.facts.get(name)},
        timeline=[(one.at, view.words(event_words(one, description, view.say))) for one in description.timeline],
        may_end=view.may(Permission.END),
    )


async def end_mine(view: View) -> web.Response:
    """Ends or returns one of the own leads."""
    own_rep(view)
    number = view.request.match_info["lead"]
    ending = ending_of(view)
    await view.ask("end_assignment", path={"lead": number}, body=ending)
    return view.go(view.link(OWN), ended_words(view, number, ending["how"]))


async def set_mine_available(view: View) -> web.Response:
    """Whether the own rep gets leads."""
    rep_id = own_rep(view)
    changed = await switch(view, rep_id)
    return view.go(view.link(OWN), switched_words(view, rep_id, changed))


def own_rep(view: View) -> str:
    """The rep of the token. Raises Refused."""
    if view.token.rep_id is None:
        raise Said(Kind.NOT_FOUND, view.say.gettext(_NO_REP))
    return view.token.rep_id


def ending_of(view: View) -> dict[str, str]:
    """How a form ends a lead: a returned one has a reason. Raises Refused."""
    how, note = view.form.get("how", ""), view.form.get("note", "").strip()
    if how == "returned" and not note:
        raise Said(Kind.INVALID, view.say.gettext(_NO_REASON))
    return {"how": how, "note": note}


def ended_words(view: View, number: str, how: str) -> str:
    """What was done."""
    if how == "returned":
        return view.say.gettext("Lead {lead} is returned: it goes to another rep.").format(lead=number)
    return view.say.gettext("The assignment of lead {lead} has ended.").format(lead=number)


def _order(view: View) -> str:
    order = view.query.get("order") or "oldest"
    if order not in ORDERS:
        raise Refused(Kind.INVALID, worded("order is one of {names}", names=", ".join(ORDERS)))
    return order


async def _leads(view: View, rep_id: str, path: str, *, own: bool) -> web.Response:
    document = await view.ask("get_rep", path={"rep": rep_id})
    held = await _held(view, rep_id, limit=SHOWN, after=view.query.get("after"))
    return view.render(
        "rep_leads.html",
        rep=document,
        leads=held.assignments,
        next=held.next,
        path=path,
        own=own,
        order=_order(view),
        orders=[(code, view.say.gettext(words)) for code, words in ORDERS.items()],
        may_end=view.may(Permission.END if own else Permission.MANAGE),
        may_switch=view.may(Permission.ATTEND if own else Permission.MANAGE),
        in_file=IN_FILE,
    )


async def _leads_csv(view: View, rep_id: str) -> web.Response:
    held = await _held(view, rep_id, limit=IN_FILE, after=None)
    return view.csv("leads", _COLUMNS, ([getattr(one, name) for name in _COLUMNS] for one in held.assignments))


async def _held(view: View, rep_id: str, *, limit: int, after: str | None) -> HeldPage:
    asked: dict[str, Any] = {"rep": rep_id, "order": _order(view), "limit": str(limit)}
    document: HeldPage = await view.ask("list_assignments", query=asked | ({"after": after} if after else {}))
    return document

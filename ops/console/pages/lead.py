"""One lead: where it is and why, what happened to it, and what can be done about it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from ops.api.ids import BATCH, LEAD, number_of
from ops.api.lead_documents import lead_document
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.console.pages.rep_leads import ended_words, ending_of
from ops.console.refusal import why_of
from ops.console.same_origin import local_path
from ops.console.tree import Node, tree
from ops.console.view import View
from ops.why.collect import why
from ops.why.description import LeadDescription
from ops.why.events import event_words
from ops.why.lines import TIMELINE
from ops.why.summary import summary
from ops.why.text import describe
from ops.why.what_it_takes import LIMIT
from router.domain.access import Permission
from router.domain.lead import FACT_FIELDS
from router.domain.worded import said_by
from router.http.problems import Kind, Refused
from router.store.assignments import lead_numbered
from router.store.leads import attributes_of, contact_of

_ATTRIBUTES_SHOWN = 40
_LENGTH = 300
# What can be done with a lead, by its state: operations of the API.
ACTIONS = {"waiting": ("park", "assign"), "parked": ("unpark", "assign"), "assigned": ("end", "assign")}


async def lead(view: View) -> web.Response:
    """The page; `rep` asks about a rep, `takes` what would place it, `batch` about an earlier decision."""
    call, query = view.call(), view.query
    number = number_of(view.request.match_info["lead"], LEAD)
    batch = number_of(query["batch"], BATCH) if query.get("batch") else None
    rep_id, most = query.get("rep") or None, LIMIT if "takes" in query else None
    with refusals(call):
        async with call.connection() as conn, view.shared.means.presence() as presence:
            found = await lead_numbered(conn, call.tenant.tenant_id, number)
            try:
                description = await why(
                    conn,
                    found,
                    batch_no=batch,
                    presence=presence,
                    rep_id=rep_id,
                    most_changes=most,
                    engines=view.shared.means.engines,
                )
            except LookupError as error:
                if type(error) is not LookupError:
                    raise
                raise Refused(Kind.NOT_FOUND, said_by(error)) from error
            contact = await contact_of(conn, found.tenant_id, number)
            attributes = seen_by(call, await attributes_of(conn, found.tenant_id, number))
    personal = view.token.may(Permission.PERSONAL)
    document = lead_document(description, contact, partial(seen_by, call), personal=personal)
    answer = view.words(summary(description, view.say))
    return view.render(
        "lead.html",
        lead=document,
        facts={name: document.facts[name] for name in FACT_FIELDS if document.facts.get(name)},
        attributes=_shown(attributes),
        more_attributes=max(0, len(attributes) - _ATTRIBUTES_SHOWN),
        answer=answer,
        sections=list(_seen(view, _sections(view, description, asked="takes" in query), answer)),
        timeline=[(one.at, view.words(event_words(one, description, view.say))) for one in description.timeline],
        rep=query.get("rep", ""),
        takes="takes" in query,
        batch=batch,
        older_batch=description.older_batch,
        actions=[one for one in ACTIONS.get(document.state, ()) if view.may(_NEEDS[one])],
    )


def _shown(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The first of them, long ones cut off."""
    texts = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in list(attributes.items())[:_ATTRIBUTES_SHOWN]
    }
    return {name[:_LENGTH]: text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…" for name, text in texts.items()}


_NEEDS = {
    "park": Permission.OPERATE,
    "unpark": Permission.OPERATE,
    "assign": Permission.MANAGE,
    "end": Permission.MANAGE,
}


def _sections(view: View, description: LeadDescription, *, asked: bool) -> list[Node]:
    """The explanation without its title, the facts and the timeline, which have a place of their own."""
    first, *rest = tree(describe(description, view.say, asked=asked))
    return [*first.children[1:], *(one for one in rest if one.kind != TIMELINE)]


def _seen(view: View, nodes: list[Node], answer: str) -> list[Node]:
    """As the token may see it; what stands above the explanation is not said twice."""
    found = []
    for node in nodes:
        text = view.words(node.text)
        if text == answer and not node.children:
            continue
        rows = tuple(tuple(view.words(cell) for cell in row) for row in node.rows)
        found.append(replace(node, text=text, rows=rows, children=_seen(view, node.children, answer)))
    return found


async def park(view: View) -> web.Response:
    """Takes a waiting lead out of the routing."""
    return await _do(view, "park_lead", {"why": why_of(view)}, view.say.gettext("Lead {lead} is parked."))


async def unpark(view: View) -> web.Response:
    """Sends a parked lead back."""
    done = view.say.gettext("Lead {lead} waits for a rep again.")
    return await _do(view, "unpark_lead", {"why": why_of(view)}, done)


async def end(view: View) -> web.Response:
    """Ends its assignment."""
    ending = ending_of(view)
    return await _do(view, "end_assignment", ending, ended_words(view, "{lead}", ending["how"]))


async def assign(view: View) -> web.Response:
    """Gives it to a rep by hand."""
    body = {"to": view.form.get("to", "").strip(), "note": view.form.get("note", "")}
    return await _do(view, "assign_lead", body, view.say.gettext("Lead {lead} has been given to that rep."))


async def _do(view: View, operation: str, body: dict[str, str], done: str) -> web.Response:
    number = view.request.match_info["lead"]
    await view.ask(operation, path={"lead": number}, body=body)
    back = local_path(view.form.get("back") or view.link(f"/leads/{number_of(number, LEAD)}"))
    return view.go(back, done.format(lead=number))

"""What the doctor finds, with its proof and the command that fixes it; and the runbooks."""

import re

from aiohttp import web

from ops.console.view import View
from ops.runbooks.library import NoSuchPage, page_of, places
from router.domain.worded import said_by, worded
from router.http.problems import Kind, Refused

_NAME = re.compile(r"[A-Za-z0-9_]{1,80}", re.ASCII)
_COLUMNS = ("code", "severity", "sentence", "since", "held_back", "command", "confidence")


async def doctor(view: View) -> web.Response:
    """Of the tenant, or of all."""
    document = await view.diagnosis()
    return view.render(
        "doctor.html",
        findings=[one for one in document.findings if one["muted"] is None],
        muted=[one for one in document.findings if one["muted"] is not None],
        checks=document.checks,
        looked_at=document.at,
    )


async def doctor_csv(view: View) -> web.Response:
    """The findings."""
    document = await view.diagnosis()
    return view.csv("findings", _COLUMNS, ([one[name] for name in _COLUMNS] for one in document.findings))


async def runbook(view: View) -> web.Response:
    """One page of the runbooks, as it is written."""
    name = view.request.match_info["name"]
    try:
        page = page_of(name) if _NAME.fullmatch(name) else None
    except NoSuchPage as error:
        raise Refused(Kind.NOT_FOUND, said_by(error)) from None
    if page is None:
        raise Refused(Kind.NOT_FOUND, worded("there is no runbook {name!r}", name=name[:40]))
    text = places()[page.name].read_text(encoding="utf-8")
    return view.render("runbook.html", name=page.name, text=text)

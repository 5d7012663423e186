"""One rep: load, hours of this week, and switching whether the rep gets leads."""

from urllib.parse import quote

from aiohttp import web

from ops.api.reps import RepDocument, RosterChanged
from ops.console.same_origin import local_path
from ops.console.view import View
from ops.console.week import Day, Keeps, on_clock, picture_of, week_of_rep
from ops.text.translation import N_
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.problems import Kind, Refused

WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
STATES = {"duty": N_("works"), "leave": N_("on leave"), "holiday": N_("public holiday")}
_COLUMNS = ("date", "state", "from", "to", "time_zone", "from_own", "to_own", "own_time_zone")


def path_of(rep_id: str, page: str = "") -> str:
    """The address of a rep's page."""
    return f"/reps/{quote(rep_id, safe='')}{page}"


async def rep(view: View) -> web.Response:
    """The rep as the roster has it, and as of now."""
    document = await _rep(view)
    days = _week(view, document)
    return view.render(
        "rep.html",
        rep=document,
        manage=view.may(Permission.MANAGE),
        days=[(one, [_texts(view, document, one, span) for span in one.spans]) for one in days],
        picture=picture_of(days, view.now, view.zone_name),
        weekdays=[view.say.gettext(name) for name in WEEKDAYS],
        today=view.now,
    )


async def week_csv(view: View) -> web.Response:
    """The hours of this week."""
    document = await _rep(view)
    own = document.now.time_zone
    rows = (
        (
            one.day.date,
            span.state,
            *(on_clock(at, one.day.date, view.zone_name) for at in (span.start, span.end)),
            view.zone_name,
            *(on_clock(at, one.day.date, own) for at in (span.start, span.end)),
            own,
        )
        for one in _week(view, document)
        for span in one.spans
    )
    return view.csv("week", _COLUMNS, rows)


async def _rep(view: View) -> RepDocument:
    document: RepDocument = await view.ask("get_rep", path={"rep": view.request.match_info["rep"]})
    return document


def _week(view: View, document: RepDocument) -> list[Day]:
    now = document.now
    return week_of_rep(Keeps(now.hours, now.time_zone, document.leave or "", now.holidays), view.now, view.zone_name)


def _texts(view: View, document: RepDocument, one: Day, span: object) -> tuple[str, str, str]:
    """When, in the page's zone and in the rep's own, and what."""
    start, end, state = span.start, span.end, span.state  # type: ignore[attr-defined]
    here, own = (
        "–".join(on_clock(at, one.day.date, name) for at in (start, end))
        for name in (view.zone_name, document.now.time_zone)
    )
    return here, own, view.say.gettext(STATES[state])


async def set_available(view: View) -> web.Response:
    """Whether the rep gets leads; then back to the page of the form, or to the rep who keeps open leads."""
    rep_id = view.request.match_info["rep"]
    changed = await switch(view, rep_id)
    back = local_path(view.form.get("back") or view.link(path_of(rep_id)))
    if changed.open_leads_left:
        back = view.link(path_of(rep_id))
    return view.go(back, switched_words(view, rep_id, changed))


async def switch(view: View, rep_id: str) -> RosterChanged:
    """As the form says. Raises Refused."""
    wanted = view.form.get("available")
    if wanted not in ("yes", "no"):
        raise Refused(Kind.INVALID, worded("available is yes or no"))
    body = {"available": wanted == "yes", "note": view.form.get("note", "")}
    changed: RosterChanged = await view.ask("set_availability", path={"rep": rep_id}, body=body)
    return changed


def switched_words(view: View, rep_id: str, changed: RosterChanged) -> str:
    """What was done, and what to think of."""
    say = view.say
    if view.form.get("available") == "yes":
        return say.gettext("Rep {rep} gets leads again.").format(rep=rep_id)
    words = [say.gettext("Rep {rep} gets no more leads.").format(rep=rep_id)]
    for left in changed.open_leads_left:
        message = say.ngettext("{count:,} open lead stays.", "{count:,} open leads stay.", left.open_leads)
        words.append(message.format(count=left.open_leads))
    if changed.groups_without_available:
        names = say.gettext(", ").join(changed.groups_without_available)
        words.append(say.gettext("Groups without an available rep now: {groups}").format(groups=names))
    return " ".join(words)

"""Groups: who could take a lead now, and why not; and what members got, against their weights."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from ops.api.loads import DAYS, SharesDocument
from ops.console.bars import bars_of
from ops.console.view import View
from ops.text.translation import N_
from router.domain.access import Permission

SHOWN, BARS = 50, 25
ONLY = {
    "available": N_("could take a lead now"),
    "on_duty": N_("on duty"),
    "off_duty": N_("not on duty"),
}
_GROUP_COLUMNS = (
    "group",
    "members",
    "at_work",
    "available",
    "at_daily_cap",
    "at_open_cap",
    "open_leads",
    "today",
    "waiting",
    "rules",
)
_MEMBER_COLUMNS = ("rep_id", "name", "standing", "open_leads", "max_open", "today", "max_per_day", "weight")
_SHARE_COLUMNS = ("rep_id", "name", "weight", "received", "due")


async def groups(view: View) -> web.Response:
    """All groups that are used."""
    document = await view.ask("list_groups")
    return view.render("groups.html", groups=document.groups, unused=document.unused, as_of=document.as_of)


async def groups_csv(view: View) -> web.Response:
    """The same."""
    document = await view.ask("list_groups")
    return view.csv("groups", _GROUP_COLUMNS, ([one[name] for name in _GROUP_COLUMNS] for one in document.groups))


async def group(view: View) -> web.Response:
    """One group with a part of its members."""
    document = await _members(view, limit=str(SHOWN), after=view.query.get("after"))
    return view.render(
        "group.html",
        group=document.group,
        members=document.members,
        matching=document.matching,
        next=document.next,
        as_of=document.as_of,
        given=_given(view),
        only=[(code, view.say.gettext(words)) for code, words in ONLY.items()],
        manage=view.may(Permission.MANAGE),
        shown=SHOWN,
    )


async def group_csv(view: View) -> web.Response:
    """All members that match."""
    document = await _members(view)
    return view.csv("members", _MEMBER_COLUMNS, ([one[name] for name in _MEMBER_COLUMNS] for one in document.members))


def _given(view: View) -> dict[str, str]:
    """The filter, as the address has it."""
    return {name: view.query[name].strip() for name in ("q", "only") if view.query.get(name, "").strip()}


async def _members(view: View, **page: str | None) -> Any:
    asked = {**_given(view), **{name: value for name, value in page.items() if value}}
    return await view.ask("get_group", path={"group": view.request.match_info["group"]}, query=asked)


async def shares(view: View) -> web.Response:
    """What the members got by the shares of the group; those farthest from their weights first."""
    document = await _shares(view)
    members = sorted(document.members, key=lambda one: (-abs(one["received"] - one["due"]), one["rep_id"]))
    name = view.request.match_info["group"]
    return view.render(
        "shares.html",
        group=name,
        path=f"/groups/{quote(name, safe='')}",
        shares=document,
        members=members[:SHOWN],
        picture=bars_of([(one["rep_id"], one["received"], one["due"]) for one in members[:BARS]]),
        bars=BARS,
        all_days=DAYS,
    )


async def shares_csv(view: View) -> web.Response:
    """All members, in the order of the roster."""
    document = await _shares(view)
    rows = ([one[name] for name in _SHARE_COLUMNS] for one in document.members)
    return view.csv("shares", _SHARE_COLUMNS, rows)


async def _shares(view: View) -> SharesDocument:
    days = {"days": view.query["days"]} if view.query.get("days") else {}
    path = {"group": view.request.match_info["group"]}
    document: SharesDocument = await view.ask("get_shares", path=path, query=days)
    return document

"""Groups and reps: who could take a lead now, and why not; and switching a rep's availability."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ops.console.view import View
from router.domain.access import Permission
from router.http.problems import Kind, Refused

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
SHOWN = 100
_MEMBER_COLUMNS = ("rep_id", "name", "standing", "open_leads", "max_open", "today", "max_per_day", "weight")


@dataclass(frozen=True, slots=True)
class Part:
    """`rows` of a list of `total` from place `first` (from 0) on; `before` and `after` = where the neighbours begin."""

    rows: Sequence[Any]
    first: int
    total: int

    @classmethod
    def of(cls, view: View, every: Sequence[Any], shown: int = SHOWN) -> "Part":
        """That from the place on which the address names."""
        text = view.query.get("from", "0")
        first = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
        first = min(first, max(0, len(every) - 1)) // shown * shown
        return cls(every[first : first + shown], first, len(every))

    @property
    def before(self) -> int | None:
        return max(0, self.first - SHOWN) if self.first else None

    @property
    def after(self) -> int | None:
        following = self.first + len(self.rows)
        return following if following < self.total else None


async def groups(view: View) -> web.Response:
    """All groups that are used."""
    document = await view.ask("list_groups")
    return view.render("groups.html", groups=document.groups, unused=document.unused, as_of=document.as_of)


async def groups_csv(view: View) -> web.Response:
    """The same."""
    document = await view.ask("list_groups")
    return view.csv("groups", _GROUP_COLUMNS, ([one[name] for name in _GROUP_COLUMNS] for one in document.groups))


async def group(view: View) -> web.Response:
    """One group with its members, so many at a time: thousands of rows are for the file."""
    document = await _members(view)
    return view.render(
        "group.html", group=document.group, members=Part.of(view, document.members), as_of=document.as_of
    )


async def group_csv(view: View) -> web.Response:
    """The same."""
    document = await _members(view)
    return view.csv("members", _MEMBER_COLUMNS, ([one[name] for name in _MEMBER_COLUMNS] for one in document.members))


async def _members(view: View) -> Any:
    return await view.ask("get_group", path={"group": view.request.match_info["group"]})


async def rep(view: View) -> web.Response:
    """One rep, as the roster has it."""
    document = await view.ask("get_rep", path={"rep": view.request.match_info["rep"]})
    return view.render("rep.html", rep=document, manage=view.may(Permission.MANAGE))


async def set_available(view: View) -> web.Response:
    """Whether the rep gets leads."""
    rep_id, wanted = view.request.match_info["rep"], view.form.get("available")
    if wanted not in ("yes", "no"):
        raise Refused(Kind.INVALID, "available is yes or no")
    body = {"available": wanted == "yes", "note": view.form.get("note", "")}
    changed = await view.ask("set_rep", path={"rep": rep_id}, body=body)
    return view.go(view.link(f"/reps/{quote(rep_id, safe='')}"), _done(view, wanted, changed.groups_without_available))


def _done(view: View, wanted: str, alone: list[str]) -> str:
    if wanted == "yes":
        return view.say.gettext("The rep gets leads again.")
    if not alone:
        return view.say.gettext("The rep gets no more leads.")
    names = view.say.gettext(", ").join(alone)
    return view.say.gettext("The rep gets no more leads. Groups without an available rep now: {groups}").format(
        groups=names
    )

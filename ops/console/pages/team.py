"""What a manager looks at: leads that wait, oldest first, and who has how many open leads."""

import asyncio
from typing import Any

from aiohttp import web

from ops.console.view import View
from ops.listing.leads import WAITING_COUNTED
from ops.text.translation import N_
from router.domain.access import Permission

SHOWN, WAITING = 50, 10
ONLY = {
    "away": N_("away"),
    "available": N_("could take a lead now"),
    "on_duty": N_("on duty"),
    "full": N_("at a limit"),
}
_NAMES = ("q", "group", "only")
_COLUMNS = (
    "rep_id",
    "name",
    "standing",
    "away",
    "open_leads",
    "max_open",
    "today",
    "max_per_day",
    "oldest_assigned_at",
)
_IN_FILE = 1_000


async def team(view: View) -> web.Response:
    """The page; its filter stays usable where the lists take too long."""
    given = _given(view)
    shown: dict[str, Any] = {"loads": None, "oldest": None}
    status = 200
    try:
        async with asyncio.timeout(view.shared.settings.page_deadline_s):
            shown = await _lists(view, given)
    except TimeoutError:
        status = 503
    return view.render(
        "team.html",
        status,
        given=given,
        only=[(code, view.say.gettext(words)) for code, words in ONLY.items()],
        manage=view.may(Permission.MANAGE),
        counted=WAITING_COUNTED,
        **shown,
    )


async def team_csv(view: View) -> web.Response:
    """The reps that match, as many as a file takes."""
    document = await view.ask("list_loads", query={**_given(view), "limit": str(_IN_FILE)})
    return view.csv("team", _COLUMNS, ([one[name] for name in _COLUMNS] for one in document.reps))


async def oldest_csv(view: View) -> web.Response:
    """Leads that wait, the oldest first."""
    document = await view.ask("list_oldest", query={"limit": str(_IN_FILE)})
    columns = ("lead_id", "state_since", "reason", "waits_for", "source", "external_id", "region", "industry")
    return view.csv("oldest", columns, ([one[name] for name in columns] for one in document.leads))


def _given(view: View) -> dict[str, str]:
    return {name: view.query[name].strip() for name in _NAMES if view.query.get(name, "").strip()}


async def _lists(view: View, given: dict[str, str]) -> dict[str, Any]:
    after = view.query.get("after")
    asked = {**given, "limit": str(SHOWN), **({"after": after} if after else {})}
    loads = await view.ask("list_loads", query=asked)
    return {"loads": loads, "oldest": await view.ask("list_oldest", query={"limit": str(WAITING)})}

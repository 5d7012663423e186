"""What was changed, by whom and why."""

from datetime import timedelta

from aiohttp import web

from ops.console.in_time import Missed, in_time
from ops.console.view import View
from ops.text.translation import N_
from router.domain.worded import worded
from router.http.problems import Kind, Refused

SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
TITLES = {"1h": N_("last hour"), "24h": N_("last 24 hours"), "7d": N_("last 7 days"), "30d": N_("last 30 days")}
_COLUMNS = ("at", "tenant", "actor", "action", "subject", "before", "after", "why")
_SHOWN, _IN_FILE = 50, 1_000


async def changes(view: View) -> web.Response:
    """The newest first; each page goes further back."""
    rows, following, missed = [], None, None
    document = await in_time(view, view.ask("list_changes", query=_asked(view, _SHOWN)))
    if isinstance(document, Missed):
        missed = document
    else:
        rows, following = document.changes[::-1], document.next
    spans = [(code, view.say.gettext(title)) for code, title in TITLES.items()]
    values = {"rows": rows, "next": following, "missed": missed, "spans": spans, "span": _span(view)}
    return view.render("changes.html", 503 if missed else 200, **values)


async def changes_csv(view: View) -> web.Response:
    """The newest of the time that was asked for."""
    document = await view.ask("list_changes", query=_asked(view, _IN_FILE))
    return view.csv("changes", _COLUMNS, ([row[name] for name in _COLUMNS] for row in document.changes[::-1]))


def _span(view: View) -> str:
    span = view.query.get("since") or "24h"
    if span not in SPANS:
        raise Refused(Kind.INVALID, worded("since is one of {names}", names=", ".join(SPANS)))
    return span


def _asked(view: View, limit: int) -> dict[str, str]:
    since = (view.now - SPANS[_span(view)]).isoformat()
    after = view.query.get("after")
    return {"since": since, "limit": str(limit), **({"after": after} if after else {})}

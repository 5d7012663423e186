"""Who keeps us from the database: sessions that block us, connections in use, processes; and ending what blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ops.console.in_language import Shown, said_in
from ops.console.number_bars import bars
from ops.console.refusal import why_of
from ops.console.view import View
from ops.text.translation import N_, Say
from router.domain.worded import restored, worded
from router.http.problems import Kind, Refused

_QUERY_SHOWN = 160
_BLOCKER_COLUMNS = (
    *("pid", "application", "user", "client", "state", "waits_on", "since", "open_s", "holds_leads", "hindrances"),
    *("query", "do", "elsewhere", "work"),
)
_CONNECTION_COLUMNS = ("application", "user", "database", "state", "ours", "sessions", "longest_s")
_PROCESS_COLUMNS = ("instance", "host", "pid", "version", "state", "started_at", "beat_at", "ended_at")
_USES: Mapping[str, str] = {
    "ours": "lead-router",
    "others": N_("other applications"),
    "free": N_("free"),
}
KINDS: Mapping[str, str] = {
    "table_lock": N_("has a table locked"),
    "table_lock_wanted": N_("waits to lock a table, and others wait behind it"),
    "lane": N_("has the lane of a tenant locked: nothing of the tenant is routed"),
    "awaited": N_("is waited for by a session of ours"),
    "row_locks": N_("has rows locked"),
    "old_snapshot": N_("has an old snapshot: what is deleted cannot be cleaned up"),
    "idle_in_transaction": N_("is idle in a transaction"),
}
STATES: Mapping[str, str] = {
    "lives": N_("alive"),
    "silent": N_("no sign of life"),
    "ended": N_("stopped"),
    "died": N_("died"),
}


@dataclass(frozen=True, slots=True)
class Connections:
    """The server's connections by use, as numbers and as a picture."""

    document: Any
    uses: list[tuple[str, int]]
    picture: Any


async def blockers(view: View) -> web.Response:
    """The page. Connections and processes are shown with a token for all tenants: they are nobody's alone."""
    document = await view.ask("list_blockers")
    connections = await _connections(view) if view.of_all else None
    processes = await view.ask("list_processes") if view.of_all else None
    say = view.say
    return view.render(
        "blockers.html",
        blockers=[{**one, "short": _short(one["query"]), "how": _how(one, say)} for one in document.blockers],
        elsewhere=document.elsewhere or [],
        notes=document.notes,
        notes_parts=document.notes_parts,
        connections=connections,
        processes=processes,
        states={code: say.gettext(words) for code, words in STATES.items()},
        may_end=view.of_all and not view.shared.read_only,
    )


def _short(query: str | None) -> str:
    text = " ".join((query or "").split())
    return text if len(text) <= _QUERY_SHOWN else text[:_QUERY_SHOWN] + "…"


def _how(one: Mapping[str, Any], say: Say) -> list[tuple[str, Shown]]:
    """How it blocks us: in the language of the page, and exactly."""
    return [
        (say.gettext(KINDS.get(part["kind"], part["kind"])), said_in(restored(part["words"], part["parts"]), say))
        for part in one["hindrances"]
    ]


async def _connections(view: View) -> Connections:
    document = await view.ask("list_connections")
    ours = sum(row.sessions for row in document.sessions if row.ours)
    numbers = {"ours": ours, "others": max(0, document.in_use - ours)}
    numbers["free"] = max(0, document.max_connections - document.in_use)
    uses = [(view.say.gettext(_USES[name]), number) for name, number in numbers.items()]
    return Connections(document, uses, bars(uses))


async def blockers_csv(view: View) -> web.Response:
    """The sessions that block us."""
    document = await view.ask("list_blockers")
    here = [
        {**one, "hindrances": [part["words"] for part in one["hindrances"]], "elsewhere": ""}
        for one in document.blockers
    ]
    rows = [*here, *(_row_elsewhere(wait) for wait in document.elsewhere or [])]
    return view.csv("blockers", _BLOCKER_COLUMNS, ([row.get(name) for name in _BLOCKER_COLUMNS] for row in rows))


def _row_elsewhere(wait: Mapping[str, Any]) -> dict[str, Any]:
    """A wait on another server, as a row about the session that has the lock: `do` is the statement that ends it, for
    the coordinator.
    """
    blocking, waiting = wait["blocking"], wait["waiting"]
    name = waiting["application"] or "a session without a name"
    return {
        **{key: blocking[key] for key in ("pid", "application", "user", "state", "since", "query")},
        "holds_leads": waiting["ours"],
        "hindrances": [f"{name} (process {waiting['pid']} on {waiting['server'] or '?'}) waits for its locks"],
        "do": wait["do"],
        "work": wait["work"],
        "elsewhere": blocking["server"] or "?",
    }


async def connections_csv(view: View) -> web.Response:
    """Who has the connections."""
    document = await view.ask("list_connections")
    rows = ([getattr(row, name) for name in _CONNECTION_COLUMNS] for row in document.sessions)
    return view.csv("connections", _CONNECTION_COLUMNS, rows)


async def processes_csv(view: View) -> web.Response:
    """The processes that route leads."""
    document = await view.ask("list_processes")
    rows = ([getattr(row, name) for name in _PROCESS_COLUMNS] for row in document.processes)
    return view.csv("processes", _PROCESS_COLUMNS, rows)


async def end_blocker(view: View) -> web.Response:
    """Cancels the statement of a session that blocks us, or ends the session."""
    pid, how = view.request.match_info["pid"], view.form.get("how", "")
    if how not in ("cancel", "terminate"):
        raise Refused(Kind.INVALID, worded("how is cancel or terminate"))
    seen = {"since": since} if (since := view.form.get("since")) else {}
    done = await view.ask("end_blocker", path={"pid": pid}, body={"how": how, "why": why_of(view), **seen})
    say = view.say
    if not done.gone:
        notice = say.gettext("Process {pid} was asked to end, and is still there: look again.")
    elif how == "cancel":
        notice = say.gettext("The statement of process {pid} is cancelled.")
    else:
        notice = say.gettext("Process {pid} has ended; its transaction is rolled back.")
    words = notice.format(pid=done.pid)
    if done.unrecorded is not None:
        words = f"{words} {say.gettext('This could not be recorded among the changes.')}"
    return view.go(view.link("/blockers"), words)


async def end_idle(view: View) -> web.Response:
    """How many idle sessions of an application would be ended, and the form that ends them."""
    application, user = view.query.get("application", ""), view.query.get("user", "")
    plan = await view.ask("end_connections", body={**_which(application, user), "why": "preview", "dry_run": True})
    return view.render("end_idle.html", application=application, user=user, plan=plan)


async def end_idle_now(view: View) -> web.Response:
    """Ends them."""
    which = _which(view.form.get("application", ""), view.form.get("user", ""))
    ended = await view.ask("end_connections", body={**which, "why": why_of(view)})
    words = view.say.ngettext(
        "{count:,} idle session has ended.", "{count:,} idle sessions have ended.", ended.done.ended
    )
    return view.go(view.link("/blockers"), words.format(count=ended.done.ended))


def _which(application: str, user: str) -> dict[str, Any]:
    return {"application": application, **({"user": user} if user else {})}

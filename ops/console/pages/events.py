"""Events and where they are delivered to: how each endpoint fares, dead letters, delivering again, pause and resume."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from ops.api.event_webhook_documents import DeadEvents, EventWebhook, EventWebhookShown, UndeliveredEvents
from ops.console.number_bars import bars
from ops.console.refusal import Said, why_of
from ops.console.view import View
from ops.console.webhook_words import MEANS, PAUSED, PILLS, STATES, error_words, level_of, state_of
from ops.text.translation import N_, Say
from router.domain.access import Permission
from router.http.problems import Kind, Refused

SHOWN, IN_FILE = 50, 1_000
DEAD_SHOWN = 100
_DEAD_IN_FILE = 10_000
LOOKED_AT = 20
"""Endpoints of which undelivered events are counted for the list."""
_EVENT_COLUMNS = ("timestamp", "type", "lead_id", "cursor", "id")
_ENDPOINT_COLUMNS = (
    *("webhook", "url", "state", "undelivered", "behind_s", "delivered", "delivered_at", "failures", "failing_since"),
    *("last_error", "waiting", "dead", "disabled_why", "cursor", "note"),
)
_DEAD_COLUMNS = ("id", "lead_id", "attempts", "since", "error")
_AGE_COLUMNS = ("from_s", "to_s", "events")
_AGES: Mapping[float | None, str] = {
    60.0: N_("up to 1 min ago"),
    300.0: N_("1 to 5 min ago"),
    1800.0: N_("5 to 30 min ago"),
    7200.0: N_("30 min to 2 h ago"),
    None: N_("more than 2 h ago"),
}
_NO_DEAD = N_("this endpoint has no dead letter to deliver")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as pages show it; `undelivered` None = not counted."""

    about: EventWebhook
    state: str
    title: str
    pill: str
    means: str
    error: str
    undelivered: int | None
    all_counted: bool


async def events(view: View) -> web.Response:
    """The endpoints, for those who may see them, and the newest events."""
    before = view.query.get("before") or None
    endpoints = await _endpoints(view) if view.token.may(Permission.OPERATE) and before is None else None
    rows, following, slow = [], None, False
    try:
        async with asyncio.timeout(view.shared.settings.page_deadline_s):
            document = await view.ask("list_latest_events", query=_asked(before, SHOWN))
        rows, following = document.events, document.next
    except TimeoutError:
        slow = True
    known = endpoints or []
    dead = sum(one.about.dead for one in known)
    return view.render(
        "events.html",
        503 if slow else 200,
        endpoints=endpoints,
        level=level_of([one.state for one in known], dead),
        troubled=[one for one in known if one.pill in ("critical", "warning")],
        undelivered=sum(one.undelivered or 0 for one in known),
        dead=dead,
        rows=rows,
        next=following,
        before=before,
        slow=slow,
        looked_at=LOOKED_AT,
    )


async def events_csv(view: View) -> web.Response:
    """The newest events."""
    document = await view.ask("list_latest_events", query=_asked(view.query.get("before") or None, IN_FILE))
    rows = ({**msgspec.to_builtins(one), "lead_id": one.data.get("lead_id")} for one in document.events)
    return view.csv("events", _EVENT_COLUMNS, ([row[name] for name in _EVENT_COLUMNS] for row in rows))


async def endpoints_csv(view: View) -> web.Response:
    """All endpoints."""
    rows = []
    for one in await _endpoints(view):
        known = msgspec.to_builtins(one.about)
        known |= {"state": one.state, "undelivered": one.undelivered}
        rows.append([known[name] for name in _ENDPOINT_COLUMNS])
    return view.csv("endpoints", _ENDPOINT_COLUMNS, rows)


def _asked(before: str | None, limit: int) -> dict[str, str]:
    return {"limit": str(limit), **({"before": before} if before else {})}


async def _endpoints(view: View) -> list[Endpoint]:
    """Of the first LOOKED_AT also what they have not got."""
    document = await view.ask("list_event_webhooks")
    found = []
    for place, one in enumerate(document.webhooks):
        found.append(_endpoint(view, one))
        # One that was removed meanwhile stays as it was in the list.
        with suppress(Refused):
            if place < LOOKED_AT:
                found[-1] = _endpoint(view, await _numbered(view, str(one.webhook)))
    return found


async def _numbered(view: View, number: str) -> EventWebhookShown:
    shown: EventWebhookShown = await view.ask("get_event_webhook", path={"webhook": number})
    return shown


def _endpoint(view: View, one: EventWebhook) -> Endpoint:
    state, counted = state_of(one), one if isinstance(one, EventWebhookShown) else None
    return Endpoint(
        about=one,
        state=state,
        title=view.say.gettext(STATES[state]),
        pill=PILLS[state],
        means=view.say.gettext(MEANS[state]),
        error=view.words(error_words(one.last_error, view.say)) if one.last_error else "",
        undelivered=None if counted is None else sum(age.events for age in counted.undelivered),
        all_counted=counted is not None and counted.all_counted,
    )


async def endpoint(view: View) -> web.Response:
    """One endpoint: how it fares, what it has not got by age, its dead letters, and what can be done."""
    number = view.request.match_info["webhook"]
    shown = await _numbered(view, number)
    dead: DeadEvents = await view.ask("list_dead_events", path={"webhook": number}, query={"limit": str(DEAD_SHOWN)})
    ages = [(view.say.gettext(_AGES[age.to_s]), age.events) for age in shown.undelivered]
    one = _endpoint(view, shown)
    return view.render(
        "endpoint.html",
        one=one,
        paused=one.state == PAUSED,
        ages=ages,
        picture=bars(ages) if one.undelivered else None,
        dead=[_dead(view, row) for row in dead.dead],
        dead_shown=DEAD_SHOWN,
        operate=view.may(Permission.OPERATE),
    )


def _dead(view: View, row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "words": view.words(error_words(row["error"], view.say))}


async def undelivered_csv(view: View) -> web.Response:
    """The picture's numbers."""
    shown = await _numbered(view, view.request.match_info["webhook"])
    rows: Sequence[UndeliveredEvents] = shown.undelivered
    return view.csv("undelivered", _AGE_COLUMNS, ([getattr(row, name) for name in _AGE_COLUMNS] for row in rows))


async def dead_csv(view: View) -> web.Response:
    """Its dead letters, the latest first."""
    document: DeadEvents = await view.ask(
        "list_dead_events",
        path={"webhook": view.request.match_info["webhook"]},
        query={"limit": str(_DEAD_IN_FILE)},
    )
    rows = ([row[name] for name in _DEAD_COLUMNS[:-1]] + [view.words(row["error"])] for row in document.dead)
    return view.csv("dead-letters", _DEAD_COLUMNS, rows)


async def event(view: View) -> web.Response:
    """One event as it is delivered; `webhook` = the endpoint on whose page it was chosen."""
    document = await view.ask("get_event", path={"event": view.request.match_info["event"]})
    body = msgspec.to_builtins(document)
    del body["cursor"]
    text = msgspec.json.format(msgspec.json.encode(body), indent=2).decode()
    return view.render("event.html", event=document, text=text, webhook=view.query.get("webhook") or None)


async def redeliver(view: View) -> web.Response:
    """How many would be delivered again, and the form that does it: one `event`, or all dead letters."""
    number, wanted = view.request.match_info["webhook"], view.query.get("event") or None
    one = _endpoint(view, await _numbered(view, number))
    if wanted is not None:
        await view.ask("get_event", path={"event": wanted})
    count = one.about.dead if wanted is None else 1
    return view.render("redeliver.html", one=one, event=wanted, count=count)


async def redeliver_now(view: View) -> web.Response:
    """Does it."""
    number, wanted, why = view.request.match_info["webhook"], view.form.get("event", ""), why_of(view)
    which: dict[str, Any] = {"ids": [wanted]} if wanted else {"dead": True}
    done = await view.ask("redeliver_events", path={"webhook": number}, body={**which, "why": why})
    say = view.say
    if not done.events and not done.gone:
        raise Said(Kind.CONFLICT, say.gettext(_NO_DEAD))
    parts = [_again(say, done.events)] if done.events else []
    if done.gone:
        parts.append(_gone(say, done.gone))
    return _back(view, " ".join(parts))


def _again(say: Say, number: int) -> str:
    words = say.ngettext("{count:,} event is delivered again.", "{count:,} events are delivered again.", number)
    return words.format(count=number)


def _gone(say: Say, number: int) -> str:
    words = say.ngettext(
        "{count:,} event is past the retention of events, and is gone.",
        "{count:,} events are past the retention of events, and are gone.",
        number,
    )
    return words.format(count=number)


async def pause(view: View) -> web.Response:
    """Nothing more is delivered."""
    await _switch(view, "disable_event_webhook")
    return _back(view, view.say.gettext("Nothing is delivered to this endpoint until it is resumed."))


async def resume(view: View) -> web.Response:
    """It goes on where it stopped."""
    await _switch(view, "enable_event_webhook")
    return _back(view, view.say.gettext("Events are delivered to this endpoint again, from where it stopped."))


async def _switch(view: View, operation: str) -> None:
    await view.ask(operation, path={"webhook": view.request.match_info["webhook"]}, body={"why": why_of(view)})


def _back(view: View, notice: str) -> web.Response:
    return view.go(view.link(f"/events/endpoints/{view.request.match_info['webhook']}"), notice)

"""The first page of an operator: are leads flowing, and if not, why, and what helps."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from ops.api.diagnosis import StatusDocument
from ops.console.chart import Picture, picture
from ops.console.flow import TENANTS, Minute, summed
from ops.console.flowing import assigned_lately, flowing, held_back, last_assigned
from ops.console.rendering import moment
from ops.console.view import View
from ops.doctor.look import COULD_NOT_CHECK
from ops.status.rates import RATES_OVER
from ops.waiting.chance_text import chance_words
from ops.waiting.waiting import WaitingLeads
from router.domain.access import Permission
from router.domain.calendar import zone
from router.domain.chance import Chance
from router.http.problems import Kind, Refused
from router.store.flow import TimeToAssign, time_to_assign
from router.store.leads import database_clock

CHANGES_SHOWN = 8
_LOOKED_AT = 1_000
_WAITING_COLUMNS = (
    "tenant",
    "reason",
    "leads",
    "oldest_queued_at",
    "next_chance_at",
    "next_chance_reps",
    "next_recheck_at",
    "parks_at",
    "waits_for",
)


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long the newest assigned leads waited, as spans."""

    leads: int
    median: timedelta
    p90: timedelta
    p99: timedelta


async def now(view: View) -> web.Response:
    """The page."""
    document = await standing(view)
    if document is None:
        return await locked(view)
    # Both are about all tenants of the page, and fail while a server that has rows of some does not answer.
    partly = bool(document.tenants_away)
    changes = None if partly else await view.ask("list_changes", query={"limit": str(CHANGES_SHOWN)})
    minutes, spans = (None, None) if partly else await _flow(view)
    findings = [one for one in document.findings if one["muted"] is None]
    return view.render(
        "now.html",
        standing=document,
        findings=findings,
        kinds=kinds(findings),
        muted=[one for one in document.findings if one["muted"] is not None],
        waiting=chance_rows(view, document),
        changes=None if changes is None else changes.changes[::-1],
        minutes=minutes,
        picture=None if minutes is None else flow_picture(view, minutes),
        spans=spans,
        rates_over=RATES_OVER,
        flowing=flowing(
            routers=document.listeners,
            waiting=document.states["waiting"],
            per_minute=document.per_minute["assigned"],
            held_back=held_back(findings),
            lately=assigned_lately(minutes),
        ),
        held_back=held_back(findings),
        none_since=_clock(view, last_assigned(minutes)),
        all_known=minutes is not None and None not in [one.assigned for one in minutes],
    )


# Findings that say why the one before them is so, by its code: they are shown right behind it.
_WHY = {
    "availability_unreadable": ("roster_not_understood",),
    "members_unavailable": ("roster_not_understood", "roster_not_synced"),
    "groups_empty": ("reps_without_group",),
}
_SYMPTOM = "stalled"


def kinds(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first finding of each kind about each subject: twenty of one kind would hide the others.

    What explains the first one comes second, also where it is a warning only; that leads stand still, which other
    findings explain, comes after those of its severity.
    """
    every = list({(one["code"], one["subject"]["name"]): one for one in reversed(findings)}.values())[::-1]
    severities = list(dict.fromkeys(one["severity"] for one in every))
    every.sort(key=lambda one: (severities.index(one["severity"]), one["code"] == _SYMPTOM))
    if not every:
        return []
    first, *others = every
    why = [one for one in others if one["code"] in _WHY.get(first["code"], ()) and one["subject"] == first["subject"]]
    return [first, *why, *(one for one in others if one not in why)]


def _clock(view: View, at: datetime | None) -> str | None:
    """The minute on the clock of the page."""
    return None if at is None else f"{at if view.zone_name == 'UTC' else at.astimezone(zone(view.zone_name)):%H:%M}"


async def standing(view: View) -> StatusDocument | None:
    """Where all leads are; None = they cannot be counted in time, as when somebody keeps a table locked: `locked`."""
    try:
        async with asyncio.timeout(view.shared.settings.page_deadline_s / 2):
            document: StatusDocument = await view.status()
            return document
    except TimeoutError:
        return None
    except Refused as refused:
        if refused.kind is not Kind.CONFLICT:
            raise
        return None


def waiting_rows(document: StatusDocument) -> Iterator[Mapping[str, Any]]:
    """Why leads wait, of all tenants of the document, the most leads first."""
    rows = [{"tenant": tenant["tenant"], **part} for tenant in document.tenants for part in tenant["waiting"]]
    yield from sorted(rows, key=lambda row: -row["leads"])


def chance_rows(view: View, document: StatusDocument) -> list[Mapping[str, Any]]:
    """The same, and `chance`: when somebody can take a lead, in words, on the clock of the tenant."""
    zones = {tenant["tenant"]: tenant["time_zone"] for tenant in document.tenants}
    return [
        {**row, "chance": chance_words(_waiting(row), document.at, zones[row["tenant"]], view.say.gettext)}
        for row in waiting_rows(document)
    ]


def _waiting(row: Mapping[str, Any]) -> WaitingLeads:
    chance = row["next_chance"]
    return WaitingLeads(
        reason=row["reason"],
        leads=row["leads"],
        oldest_queued_at=moment(row["oldest_queued_at"]),
        next_recheck_at=_moment(row["next_recheck_at"]),
        waits_for=tuple(row["waits_for"]),
        next_chance=None if chance is None else Chance(moment(chance["at"]), tuple(chance["reps"])),
        parks_at=_moment(row["parks_at"]),
    )


def _moment(value: datetime | str | None) -> datetime | None:
    return None if value is None else moment(value)


async def flow_csv(view: View) -> web.Response:
    """The picture's numbers."""
    minutes, _ = await _flow(view)
    rows = [(one.at, one.arrived, one.assigned) for one in minutes or ()]
    return view.csv("flow", ("minute", "arrived", "assigned"), rows)


async def waiting_csv(view: View) -> web.Response:
    """Why leads wait."""
    document: StatusDocument = await view.status()
    return view.csv("waiting", _WAITING_COLUMNS, map(_waiting_cells, waiting_rows(document)))


def _waiting_cells(row: Mapping[str, Any]) -> list[object]:
    chance = row["next_chance"] or {}
    known = {**row, "next_chance_at": chance.get("at"), "next_chance_reps": chance.get("reps")}
    return [known[name] for name in _WAITING_COLUMNS]


async def _flow(view: View) -> tuple[list[Minute] | None, Seconds | None]:
    """Of the tenant, or of all together where they are few; and how long leads waited, of one tenant."""
    tenants = [view.tenant] if view.tenant is not None else list(view.tenants)
    if not tenants or len(tenants) > TENANTS:
        return None, None
    async with view.call().connection() as conn:
        at = await database_clock(conn)
        parts = [await view.shared.flow.look(conn, tenant.tenant_id, at) for tenant in tenants]
        waited = None if view.tenant is None else await time_to_assign(conn, view.tenant.tenant_id, _LOOKED_AT)
    return summed(parts), None if waited is None else _seconds(waited)


def _seconds(waited: TimeToAssign) -> Seconds:
    spans = (timedelta(seconds=seconds) for seconds in (waited.median_s, waited.p90_s, waited.p99_s))
    return Seconds(waited.leads, *spans)


def flow_picture(view: View, minutes: list[Minute]) -> Picture:
    """Arrivals and assignments by the minute, on the clock of the page. The last minute is still under way."""
    here = zone(view.zone_name) if view.zone_name != "UTC" else None
    labels = [f"{one.at.astimezone(here) if here else one.at:%H:%M}" for one in minutes]
    arrived, assigned = view.say.gettext("arrived"), view.say.gettext("assigned")
    return picture(labels, [(arrived, [one.arrived for one in minutes]), (assigned, [one.assigned for one in minutes])])


async def locked(view: View) -> web.Response:
    """What is shown while leads cannot be counted: to those who may ask the doctor, who is in the way."""
    found = (await view.ask("doctor")).findings if view.token.may(Permission.OPERATE) else []
    findings = [one for one in found if one["code"] != COULD_NOT_CHECK and one["muted"] is None]
    return view.render("locked.html", 503, findings=findings, unchecked=len(found) - len(findings))

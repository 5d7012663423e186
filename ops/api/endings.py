"""Many endings over HTTP in one request: the rows of `leads end FILE` as JSON, judged one by one."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ops.api.fields import Moment, Note, RepId, check_year, wrong
from ops.api.refusals import refusals
from router.domain.access import Permission
from router.domain.bulk_endings import OUTCOMES
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.intake.ending_rows import SaidEnding
from router.manual.end_leads import EndLeads
from router.store.assignments import Ending
from router.store.leads import database_clock

MOST = 1_000
_CLOCKS_APART = timedelta(minutes=1)


class EndingWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A lead by its number, or by its external id (with its source, where several have the id), and how it ended."""

    lead_id: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    external_id: Annotated[str, Meta(max_length=255)] | None = None
    source: Annotated[str, Meta(max_length=255)] | None = None
    how: Annotated[Ending, Meta(description="won, lost or returned")]
    rep_id: Annotated[RepId | None, Meta(description="Only while this rep has the lead")] = None
    ended_at: Annotated[Moment | None, Meta(description="Default: now. Refused before the assignment began")] = None
    note: Note = ""


class EndingsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Endings, each judged alone; `note` is kept with those that have none of their own."""

    endings: Annotated[list[EndingWanted], Meta(min_length=1, max_length=MOST)]
    note: Note = ""
    dry_run: Annotated[bool, Meta(description="Only say what would be done")] = False


class EndingRefused(msgspec.Struct, frozen=True):
    """One that was not done, by its place in the request, from 0; `field` is empty where it is no single one."""

    index: int
    field: str
    reason: str


class EndedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. `already` = those that were so before; `returned_before` = leads that were returned before and are
    with a rep again, which stay: name `rep_id` or `ended_at`; `locked` = places of those to be sent again.
    """

    dry_run: bool
    ended: dict[str, int]
    already: int
    returned_before: int
    locked: list[int]
    refused: list[EndingRefused]


def operations() -> list[Operation]:
    """Of many endings."""
    return [
        Operation(
            id="end_assignments",
            method="POST",
            path="/v1/assignments:end",
            summary="End many assignments: won, lost or returned",
            description=(
                f"At most {MOST:,}, each judged alone: 200 = all are done or were so before, 207 = some are refused or "
                "locked. Sending the same again changes nothing."
            ),
            handler=_end_many,
            answers={200: EndedDocument, 207: EndedDocument},
            permission=Permission.MANAGE,
            tag="assignments",
            body=EndingsWanted,
        )
    ]


async def _end_many(call: Call) -> Answer:
    wanted: EndingsWanted = call.body
    with refusals(call, worded("one of the leads")):
        async with call.connection() as conn:
            now = await database_clock(conn)
            rows = [_row(place, one, now) for place, one in enumerate(wanted.endings)]
            subject = f"request of {len(rows)}"
            work = EndLeads(conn, call.tenant.tenant_id, subject, call.actor, wanted.note, wanted.dry_run)
            part = await work.take(rows, range(len(rows)))
    done = work.done
    refused = [EndingRefused(one.place, _FIELDS.get(one.field, one.field), one.reason) for one in part.refused]
    document = EndedDocument(
        dry_run=wanted.dry_run,
        ended={how: done.ended[how] for how in OUTCOMES},
        already=done.already,
        returned_before=done.returned_before,
        locked=list(part.locked),
        refused=refused,
    )
    return Answer(document, 207 if refused or part.locked else 200)


_FIELDS = {"outcome": "how", "reason": "note"}


def _row(place: int, one: EndingWanted, now: datetime) -> SaidEnding:
    """Raises Refused."""
    at = f"/endings/{place}"
    if (one.lead_id is None) is (one.external_id is None):
        raise wrong(at, "name the lead by lead_id, or by external_id")
    for name in ("external_id", "source", "note"):
        _check_text(f"{at}/{name}", getattr(one, name))
    ended_at = check_year(f"{at}/ended_at", one.ended_at)
    if ended_at is not None and ended_at > now + _CLOCKS_APART:
        raise wrong(f"{at}/ended_at", "is yet to come")
    ended_at = None if ended_at is None else min(ended_at, now)
    return SaidEnding(one.lead_id, one.source, one.external_id or "", one.how.value, one.rep_id, ended_at, one.note)


def _check_text(pointer: str, value: Any) -> None:
    if value and "\0" in value:
        raise wrong(pointer, "holds a NUL character")

"""Handing over a rep's leads over HTTP: a preview at once, the doing as a job."""

import secrets
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import OF_PARTS, Json, RepId, wrong
from ops.api.means import Means
from ops.api.refusals import refusals
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, Jobs, accepted
from ops.documents.handover import HandoverReport, hand_over
from router.domain.access import Permission
from router.domain.worded import worded
from router.drain.presence import Presence
from router.http.operations import Answer, Call, Operation
from router.manual.handover import Handover
from router.manual.handover_plan import Asked, plan_handover, preview
from router.store.assignments import lead_numbered
from router.store.statements import Connection


class HandoverWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whose leads go to whom: `to` a rep, or `by_rules` back to the rules; `leads` = only these, by number."""

    from_rep: RepId = msgspec.field(name="from")
    to: RepId | None = None
    by_rules: bool = False
    leads: Annotated[list[Annotated[int, Meta(ge=1, le=2**53 - 1)]], Meta(min_length=1, max_length=1_000)] | None = None
    as_many_as_fit: Annotated[bool, Meta(description="Where there is no room for all")] = False
    dry_run: Annotated[bool, Meta(description="Only say who would get how many")] = False
    why: Annotated[str, Meta(max_length=1000, description="The reason, recorded with it")] = ""


class HandoverDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a handover would do."""

    tenant: str
    from_rep: str = msgspec.field(name="from")
    to: str | None
    dry_run: bool
    leads: int
    to_move: int
    moved: int
    passed_over: list[int]
    already_handed_over: int
    elsewhere: list[Json]
    refused: str | None
    refused_parts: Annotated[list[Json] | None, Meta(description=OF_PARTS)] = None
    stopped: str | None
    stopped_parts: Annotated[list[Json] | None, Meta(description=OF_PARTS)] = None
    preview: Json | None


def operations(means: Means, jobs: Jobs) -> list[Operation]:
    """Of handovers."""
    return [
        Operation(
            id="hand_over",
            method="POST",
            path="/v1/handovers",
            summary="Hand over a rep's leads, to another rep or back to the rules: a job",
            description=(
                f"With dry_run it says at once who would get how many, and answers 200. Caps hold. {ONE_OF_A_KIND}"
            ),
            handler=partial(_hand_over, means, jobs),
            answers={200: HandoverDocument, 202: JobDocument},
            permission=Permission.MANAGE,
            tag="assignments",
            body=HandoverWanted,
        )
    ]


async def _hand_over(means: Means, jobs: Jobs, call: Call) -> Answer:
    wanted: HandoverWanted = call.body
    if (wanted.to is None) is not wanted.by_rules:
        raise wrong("/to", worded("say who gets the leads: either to, or by_rules"))
    if wanted.as_many_as_fit and wanted.by_rules:
        raise wrong("/as_many_as_fit", worded("goes with to: the rules keep to the caps by themselves"))
    with refusals(call):
        async with call.connection() as conn, means.presence() as presence:
            report = await _planned(conn, presence, call)
    if wanted.dry_run:
        return Answer(msgspec.convert(report.document(), HandoverDocument))
    if report.plan.refusal is not None:
        with refusals(call):
            raise report.plan.refusal

    async def work(job: Job) -> Json:
        async with means.job_connection(call) as conn:
            job.step, job.total = "leads", report.plan.to_move
            doing = Handover(conn, lambda: secrets.randbits(63), call.actor, wanted.why.strip())
            await hand_over(doing, report, job.reach)
        return report.document()

    return accepted(call, await jobs.start("handover", call, work))


async def _planned(conn: Connection, presence: Presence, call: Call) -> HandoverReport:
    wanted: HandoverWanted = call.body
    leads = None if wanted.leads is None else tuple(sorted({*wanted.leads}))
    for lead_id in leads or ():
        await lead_numbered(conn, call.tenant.tenant_id, lead_id)
    asked = Asked(from_rep=wanted.from_rep, to_rep=wanted.to, leads=leads, as_many_as_fit=wanted.as_many_as_fit)
    plan = await plan_handover(conn, presence, call.tenant.tenant_id, asked)
    seen = await preview(conn, presence, plan) if wanted.dry_run else None
    return HandoverReport(call.tenant, plan, seen, dry_run=wanted.dry_run)

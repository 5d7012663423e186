"""Operating over HTTP: park and unpark a lead, pause and resume a tenant, retry leads."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, Seconds, Why, check_year
from ops.api.leads import lead_of
from ops.api.means import Means
from ops.api.refusals import refusals
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, Jobs, accepted
from ops.documents.retry import RetryReport, retry_all
from ops.waiting.retry import Ask, Retry
from router.domain.access import Permission
from router.domain.reason import Reason
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.store.parking import BY_HAND, park, unpark
from router.store.pauses import Pause, pause, resume
from router.store.statements import Connection


class Because(msgspec.Struct, frozen=True):
    """Why it is done."""

    why: Why


class PerhapsBecause(msgspec.Struct, frozen=True):
    """Why it is done, where somebody wants to say so."""

    why: Annotated[str, Meta(max_length=1000, description="The reason, recorded with it")] = ""


class Parked(msgspec.Struct, frozen=True):
    """A lead that is out of the routing, for a person to look at."""

    lead_id: int
    reason: str
    parked_at: Moment
    why: str


class Unparked(msgspec.Struct, frozen=True):
    """A lead that waits for a rep again."""

    lead_id: int
    was_parked_for: str


class PauseWanted(msgspec.Struct, frozen=True):
    """For how many seconds from now nothing is routed, and why."""

    seconds: Seconds
    why: Why


class PauseDocument(msgspec.Struct, frozen=True):
    """Until when nothing is routed, and why."""

    until: Moment
    why: str


class Paused(msgspec.Struct, frozen=True):
    """The pause in force, and the one that it replaced."""

    tenant: str
    pause: PauseDocument
    replaced: PauseDocument | None


class Resumed(msgspec.Struct, frozen=True):
    """Whether the tenant was paused, and how."""

    tenant: str
    resumed: bool
    was: PauseDocument | None


class RetryWanted(msgspec.Struct, frozen=True):
    """Which leads: of a reason, parked or queued since a time. Those of lead_invalid and screening must be named."""

    reason: Reason | None = None
    since: Moment | None = None
    dry_run: Annotated[bool, Meta(description="Only count what would be done")] = False
    why: Annotated[str, Meta(max_length=1000, description="The reason, recorded with it")] = ""


class RetryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a retry would do, by tenant and reason."""

    dry_run: bool
    sent_back: int
    looked_at_again: int
    locked: int
    stopped: bool
    lanes_locked: list[str]
    tenants: list[Json]


def operations(means: Means, jobs: Jobs) -> list[Operation]:
    """Of operating."""
    return [
        Operation(
            id="park_lead",
            method="POST",
            path="/v1/leads/{lead}/park",
            summary="Take a waiting lead out of the routing, for a person to look at",
            handler=_park,
            answers={200: Parked},
            permission=Permission.OPERATE,
            tag="operating",
            body=Because,
        ),
        Operation(
            id="unpark_lead",
            method="POST",
            path="/v1/leads/{lead}/unpark",
            summary="Send a parked lead back: it waits for a rep again",
            handler=_unpark,
            answers={200: Unparked},
            permission=Permission.OPERATE,
            tag="operating",
            body=PerhapsBecause,
        ),
        Operation(
            id="retry_leads",
            method="POST",
            path="/v1/leads:retry",
            summary="Send parked leads back, and have waiting ones tried again: a job",
            description=f"With dry_run it counts at once, and answers 200. {ONE_OF_A_KIND}",
            handler=partial(_retry, means, jobs),
            answers={200: RetryDocument, 202: JobDocument},
            permission=Permission.OPERATE,
            tag="operating",
            body=RetryWanted,
        ),
        Operation(
            id="pause_tenant",
            method="POST",
            path="/v1/pause",
            summary="Route nothing of the tenant for a while",
            description="Leads are still accepted, and wait. A pause in force is replaced; it ends by itself.",
            handler=_pause,
            answers={200: Paused},
            permission=Permission.OPERATE,
            tag="operating",
            body=PauseWanted,
        ),
        Operation(
            id="resume_tenant",
            method="DELETE",
            path="/v1/pause",
            summary="End the pause of the tenant",
            handler=_resume,
            answers={200: Resumed},
            permission=Permission.OPERATE,
            tag="operating",
            query=PerhapsBecause,
        ),
    ]


async def _park(call: Call) -> Answer:
    why = call.body.why.strip()
    with refusals(call, worded("the lead")):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            at = await park(conn, found, call.actor, why)
    return Answer(Parked(found.lead_id, BY_HAND.value, at, why))


async def _unpark(call: Call) -> Answer:
    with refusals(call, worded("the lead, or the lane of its tenant,")):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            reason = await unpark(conn, found, call.actor, call.body.why.strip())
    return Answer(Unparked(found.lead_id, reason))


async def _pause(call: Call) -> Answer:
    tenant, span = call.tenant, timedelta(seconds=call.body.seconds)
    with refusals(call, worded("the lane of {tenant}", tenant=tenant.name)):
        async with call.connection() as conn:
            made, before = await pause(conn, tenant, span, call.actor, call.body.why.strip())
    return Answer(Paused(tenant.name, PauseDocument(made.until, made.why), _pause_document(before)))


async def _resume(call: Call) -> Answer:
    tenant = call.tenant
    with refusals(call, worded("the lane of {tenant}", tenant=tenant.name)):
        async with call.connection() as conn:
            before = await resume(conn, tenant, call.actor, call.query.why.strip())
    return Answer(Resumed(tenant.name, before is not None, _pause_document(before)))


def _pause_document(found: Pause | None) -> PauseDocument | None:
    return None if found is None else PauseDocument(found.until, found.why)


async def _retry(means: Means, jobs: Jobs, call: Call) -> Answer:
    wanted: RetryWanted = call.body
    ask = Ask(wanted.reason, check_year("/since", wanted.since))
    if wanted.dry_run:
        with refusals(call):
            async with call.connection() as conn, _planned(means, conn, call, ask, dry_run=True) as (_, report):
                return Answer(msgspec.convert(report.document(), RetryDocument))

    async def work(job: Job) -> Json:
        async with means.job_connection(call) as conn, _planned(means, conn, call, ask) as (retry, report):
            job.total = sum(plan.leads for plan in report.plans)
            await retry_all(retry, report, ask, call.actor, wanted.why.strip(), job.reach)
            return report.document()

    return accepted(call, await jobs.start("retry", call, work))


@asynccontextmanager
async def _planned(
    means: Means, conn: Connection, call: Call, ask: Ask, *, dry_run: bool = False
) -> AsyncIterator[tuple[Retry, RetryReport]]:
    """What is to be done, counted."""
    async with means.presence() as presence:
        retry = Retry(conn, lambda: secrets.randbits(63), means.sizes, presence, engines=means.engines)
        plan = await retry.plan(call.tenant, ask)
        yield retry, RetryReport([call.tenant], [plan] if plan.leads or plan.left else [], dry_run)

"""Audits and replays over HTTP, as jobs."""

import time
from functools import partial
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ops.api.fields import Json, Moment, check_year, wrong
from ops.api.means import Means
from ops.api.refusals import refusals
from ops.api.rulesets import MAX_RULES, check_named, lists_of
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, Jobs, Work, accepted
from ops.api.stored_jobs import cancel_job, job_document, job_documents
from ops.audit.audit import SAMPLE, Step, audit
from ops.audit.document import document as audit_document
from ops.replay.document import document as replay_document
from ops.replay.document import verified_document
from ops.replay.overrides import BadOverride, Override, read_override
from ops.replay.run import replay
from ops.replay.variants import Changes
from ops.replay.verify import verify
from router.domain.access import Permission
from router.domain.worded import said_by, worded
from router.domain.worded_phrases import placed
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused
from router.rules.file import RulesFile
from router.store.apart import read_apart
from router.store.replay import recorded_leads

_OF_REPLAY = ("verify", "rules", "lists", "set", "since", "until", "limit")


class JobWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `sample` belongs to an audit, the rest to a replay, which changes something or verifies."""

    kind: Literal["audit", "replay"]
    sample: Annotated[int, Meta(ge=0, le=10_000, description="Batches that an audit runs again")] | None = None
    verify: Annotated[bool, Meta(description="Change nothing, compare")] = False
    rules: Annotated[str, Meta(min_length=1, max_length=MAX_RULES, description="YAML: decide by these")] | None = None
    lists: Annotated[dict[str, str], Meta(max_length=1000, description="Lists that these rules name")] = {}
    set: Annotated[
        list[Annotated[str, Meta(max_length=5_000, examples=["rep.r1.available=no"])]], Meta(max_length=1_000)
    ] = []
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Meta(ge=0, le=10_000, description="The first leads that differ")] = 20


class JobPage(msgspec.Struct, frozen=True):
    """The jobs of the tenant, the last one first."""

    jobs: list[JobDocument]


def operations(means: Means, jobs: Jobs) -> list[Operation]:
    """Of jobs."""
    return [
        Operation(
            id="start_job",
            method="POST",
            path="/v1/jobs",
            summary="Start an audit or a replay",
            description=(
                f"It runs in this instance. {ONE_OF_A_KIND} Location says where to ask how far it is; every instance "
                "knows, for 7 days."
            ),
            handler=partial(_start, means, jobs),
            answers={202: JobDocument},
            permission=Permission.OPERATE,
            tag="jobs",
            body=JobWanted,
            max_body=MAX_RULES,
        ),
        Operation(
            id="list_jobs",
            method="GET",
            path="/v1/jobs",
            summary="The last jobs of the tenant, of all instances: audits, imports, replays, retries, handovers",
            description="Of those that other instances ran, old or long results are left out: ask for that job alone.",
            handler=partial(_list, jobs),
            answers={200: JobPage},
            permission=Permission.READ,
            tag="jobs",
        ),
        Operation(
            id="get_job",
            method="GET",
            path="/v1/jobs/{job}",
            summary="How far a job is, and its result",
            handler=partial(_get, jobs),
            answers={200: JobDocument},
            permission=Permission.READ,
            tag="jobs",
        ),
        Operation(
            id="cancel_job",
            method="DELETE",
            path="/v1/jobs/{job}",
            summary="Cancel a job; what it has done stays done",
            description="Another instance ends it within some seconds: the answer may still say that it runs.",
            handler=partial(_cancel, jobs),
            answers={200: JobDocument},
            permission=Permission.OPERATE,
            tag="jobs",
        ),
    ]


async def _list(jobs: Jobs, call: Call) -> Answer:
    return Answer(JobPage(await job_documents(jobs, call)))


async def _get(jobs: Jobs, call: Call) -> Answer:
    return Answer(await job_document(jobs, call, call.path["job"]))


async def _cancel(jobs: Jobs, call: Call) -> Answer:
    return Answer(await cancel_job(jobs, call, call.path["job"]))


async def _start(means: Means, jobs: Jobs, call: Call) -> Answer:
    wanted: JobWanted = call.body
    _check(wanted)
    if wanted.kind == "audit":
        work = _audit(means, call, SAMPLE if wanted.sample is None else wanted.sample)
    else:
        work = await _replay(means, call, wanted)
    return accepted(call, await jobs.start(wanted.kind, call, work))


def _check(wanted: JobWanted) -> None:
    """What does not go together. Raises Refused with all of it."""
    changed = wanted.rules is not None or bool(wanted.set)
    problems = []
    if wanted.kind == "audit":
        defaults = {field.name: field.default for field in msgspec.structs.fields(JobWanted)}
        given = [name for name in _OF_REPLAY if getattr(wanted, name) not in (defaults[name], [], {})]
        problems = [FieldProblem(f"/{name}", worded("belongs to a replay")) for name in given]
    else:
        if wanted.sample is not None:
            problems.append(FieldProblem("/sample", worded("belongs to an audit")))
        if wanted.verify == changed:
            problems.append(FieldProblem("/verify", worded("either verify, or change something: rules or set")))
    if problems:
        raise Refused(Kind.INVALID, placed(problems[0].pointer, problems[0].reason), problems)


def _audit(means: Means, call: Call, sample: int) -> Work:
    async def work(job: Job) -> Json:
        def show(step: Step) -> None:
            job.done, job.total, job.step = step.done, step.total, step.check

        begin = time.monotonic()
        async with means.job_connection(call) as conn:
            result = await audit(conn, call.tenant.name, sample, show)
        job.done = job.total or 0
        return audit_document(result, time.monotonic() - begin)

    return work


async def _replay(means: Means, call: Call, wanted: JobWanted) -> Work:
    since, until = check_year("/since", wanted.since), check_year("/until", wanted.until)
    if since is not None and until is not None and since >= until:
        raise wrong("/since", worded("must be before until"))
    changes = Changes(await _rules(call, wanted), _overrides(wanted.set))

    async def work(job: Job) -> Json:
        async with means.job_connection(call) as conn:
            job.step, job.total = "leads", await recorded_leads(conn, call.tenant.tenant_id, since, until)

            def advance(more: int) -> None:
                job.reach(job.done + more)

            if wanted.verify:
                return verified_document(await verify(conn, call.tenant, since, until, advance))
            found = await replay(conn, call.tenant, changes, since, until, means.sizes, advance)
            return await replay_document(conn, call.tenant, found, wanted.limit)

    return work


async def _rules(call: Call, wanted: JobWanted) -> RulesFile | None:
    if wanted.rules is None:
        check_named(wanted.lists, {})
        return None
    with refusals(call):
        async with call.connection() as conn:
            lists = await lists_of(conn, call.tenant, wanted.lists)
        rules = await read_apart(wanted.rules, "rules", lists)
    check_named(wanted.lists, rules.lists)
    return rules


def _overrides(texts: list[str]) -> list[Override]:
    """Raises Refused with each that is not understood."""
    found, problems = [], []
    for number, text in enumerate(texts):
        try:
            found.append(read_override(text))
        except BadOverride as error:
            problems.append(FieldProblem(f"/set/{number}", said_by(error)))
    if problems:
        raise Refused(Kind.INVALID, placed(problems[0].pointer, problems[0].reason), problems)
    return found

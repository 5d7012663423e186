"""Ready leads cannot be taken: other sessions have rows, the lane or a table locked, or a server with rows is away."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ops.doctor.finding import Finding, Severity, Subject, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded, worded_count
from router.domain.worded_phrases import worded_list
from router.store.blocking.blocked import BlockedLeads
from router.store.blocking.judge import Kind
from router.store.blocking.work import work_of
from router.store.other_server import NOT_ASKED
from router.store.tenants import Tenant

CODE = "database_busy"
_NAMED = 3
_COMMAND = f"lead-router runbook {CODE}"
_KINDS = {"table": Kind.TABLE_LOCK, "lane": Kind.LANE, "rows": Kind.ROWS}
_LOCKED = {"table": worded("a table"), "lane": worded("the tenant's lane"), "rows": worded("their rows")}


async def look(scene: Scene) -> Sequence[Finding]:
    waiting = ((tenant, scene.waiting[tenant.tenant_id].blocked_by) for tenant in scene.tenants)
    return [*_servers(scene), *(_finding(tenant, blockers) for tenant, blockers in waiting if blockers)]


def _servers(scene: Scene) -> Iterator[Finding]:
    """Those that have rows of tenants and do not answer: of these tenants nothing else can be said."""
    tenants: defaultdict[str, list[str]] = defaultdict(list)
    for name, unanswered in scene.away.items():
        tenants[unanswered.server].append(name)
    for server, names in tenants.items():
        whose = worded_list(names, _NAMED)
        problem = " ".join(scene.away[names[0]].problem.split())
        if server == NOT_ASKED:
            severity = Severity.WARNING
            sentence = worded("nothing is known of {whose}: {problem}", whose=whose, problem=problem)
        else:
            severity = Severity.CRITICAL
            sentence = worded(
                "{server}, which has the rows of {whose}, does not answer: its tenants wait, others go on: {problem}",
                server=server,
                whose=whose,
                problem=problem,
            )
        evidence = tuple({"tenant": name} for name in names[:10])
        yield Finding(CODE, severity, Subject("server", server), sentence, evidence, command=_COMMAND)


def _finding(tenant: Tenant, blockers: Sequence[BlockedLeads]) -> Finding:
    leads = sum(one.leads for one in blockers)
    only_rows = all(one.holds == "rows" for one in blockers)
    first = blockers[0]
    return Finding(
        CODE,
        Severity.WARNING if only_rows else Severity.CRITICAL,
        of_tenant(tenant.name),
        _sentence(leads, first, len(blockers) - 1),
        tuple(
            {
                "process": one.session.pid,
                "holds": one.holds,
                "leads": one.leads,
                "work": work_of(one.session, [_KINDS[one.holds]]),
            }
            for one in blockers[:10]
        ),
        min((one.session.since for one in blockers if one.session.since), default=None),
        "lead-router blockers" if only_rows else f"lead-router blockers --terminate {first.session.pid}",
        held_back=leads,
    )


def _sentence(leads: int, first: BlockedLeads, others: int) -> str:
    said = worded_count(
        "{count:,} ready lead cannot be taken: {session} has {what} locked",
        "{count:,} ready leads cannot be taken: {session} has {what} locked",
        leads,
        session=first.session.named(),
        what=_LOCKED[first.holds],
    )
    more = worded_count(", and {count:,} more session", ", and {count:,} more sessions", others)
    return said + more if others else said

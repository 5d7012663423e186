"""With 2,000 tenants: one look finds those with work, status asks about all at once, the rest goes tenant by tenant."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.audit.kinds import OF_TENANT
from ops.documents.retry import RetryReport, retry_all
from ops.status.status import status
from ops.waiting.retry import Ask, Retry
from router.settings.model import CleanupSettings
from router.store.cleanup import last_runs
from router.store.connections.connections import Connections
from router.store.lane import tenants_with_work
from router.store.tenants import Tenant, all_tenants
from tests.postgres.cleanup_world import once
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

TENANTS, BUSY = 2_000, 5
MORE = """
with added as (
    insert into tenant (name, time_zone, roster, ruleset)
    select 't' || n, 'UTC', t.roster, t.ruleset
      from tenant t, generate_series(2, $2::int) n where t.tenant_id = $1 returning tenant_id),
lanes as (
    insert into lane (tenant_id, ruleset, roster, rates) select a.tenant_id, t.ruleset, t.roster, t.rates
      from added a, tenant t
     where t.tenant_id = $1),
rules as (
    insert into ruleset (tenant_id, version, author, source) select a.tenant_id, r.version, r.author, r.source
      from added a, ruleset r where r.tenant_id = $1),
versions as (
    insert into roster_version (tenant_id, version, author) select a.tenant_id, v.version, v.author
      from added a, roster_version v where v.tenant_id = $1),
groups as (insert into grp select a.tenant_id, g.group_no, g.name from added a, grp g where g.tenant_id = $1),
reps as (insert into rep select a.tenant_id, r.rep_no, r.rep_id from added a, rep r where r.tenant_id = $1)
insert into rep_row (tenant_id, rep_no, from_version, name, time_zone, groups)
select a.tenant_id, r.rep_no, r.from_version, r.name, r.time_zone, r.groups
  from added a, rep_row r where r.tenant_id = $1
"""


@contextmanager
def counted(conn: asyncpg.Connection) -> Iterator[list[str]]:
    """The statements that are asked meanwhile."""
    asked: list[str] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        asked.append(query.query)

    with conn.query_logger(note):
        yield asked


async def many(conn: asyncpg.Connection, connections: Connections) -> list[Tenancy]:
    """2,000 tenants; the first ones have leads that are assigned, and some that wait."""
    first = await make_tenant(conn, simple_reps(1, max_open=1))
    await settle(a_drain(connections), first.tenant_id)
    await conn.execute(MORE, first.tenant_id, TENANTS)
    ids = [row[0] for row in await conn.fetch("select tenant_id from tenant order by tenant_id")]
    assert len(ids) == TENANTS
    return [Tenancy(conn, tenant_id) for tenant_id in ids]


async def test_what_is_about_all_tenants_is_bounded(
    conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted(conn) as of_none:
        await status(conn)
    made = await many(conn, connections)
    # One look finds those with work, however many have none.
    assert await tenants_with_work(conn, None) == []
    busy = made[:: TENANTS // BUSY]
    for one in busy:
        await one.accept(lead(n) for n in range(3))
    with counted(conn) as looked:
        assert await tenants_with_work(conn, None) == [one.tenant_id for one in busy]
    assert len([query for query in looked if "select" in query]) == 1
    for one in busy:
        await settle(a_drain(connections), one.tenant_id)
    assert await tenants_with_work(conn, None) == []

    # Status asks about all at once: its statements do not grow with the tenants, but for those where leads wait.
    with counted(conn) as asked:
        found = await status(conn)
    assert len(found.tenants) == TENANTS
    assert found.accepted == 3 * len(busy)
    assert found.balanced
    often = Counter(asked).most_common(3)
    assert len(asked) <= len(of_none) + 40 + 20 * len(busy), often

    # The audit goes tenant by tenant; two of its kinds are enough to see that.
    monkeypatch.setattr("ops.audit.audit.OF_TENANT", OF_TENANT[:2])
    with counted(conn) as asked:
        result = await audit(conn)
    assert result.tenants == TENANTS
    assert result.violations == []
    assert result.accepted == found.accepted
    # Counting, rulesets and two kinds for each; the rest is the same for any number.
    assert len(asked) <= 4 * TENANTS + 40 + 10 * len(busy)

    # Retrying goes tenant by tenant, too, and changes only those of which leads wait.
    work, ask = Retry(conn, lambda: 1), Ask(None, None)
    with counted(conn) as asked:
        plans = [await work.plan(tenant, ask) for tenant in await all_tenants(conn)]
    assert len(asked) <= 12 * TENANTS + 20 * len(busy), Counter(asked).most_common(12)
    report = RetryReport([], [plan for plan in plans if plan.leads], dry_run=False)
    # Only the first one's rep has a cap, of one open lead.
    assert [plan.tenant.tenant_id for plan in report.plans] == [busy[0].tenant_id]
    await retry_all(work, report, ask, "ann", "", lambda _: None)
    assert report.total("looked_at_again") == found.waiting["all_at_open_cap"] == 2
    assert await tenants_with_work(conn, None) == [busy[0].tenant_id]

    # Cleanup, too: each tenant has its own run, in its own transactions; some are enough to see that.
    cleaned = (await all_tenants(conn))[-20:]

    async def some(_conn: asyncpg.Connection) -> list[Tenant]:
        return cleaned

    monkeypatch.setattr("ops.cleanup.service.all_tenants", some)
    await once(connections, CleanupSettings(service="on", window="always"))
    runs = await last_runs(conn, [one.tenant_id for one in made])
    assert runs.keys() == {one.tenant_id for one in cleaned}
    assert {run.outcome for run in runs.values()} == {"done"}

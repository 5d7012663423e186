"""The service with everything around it, and who is notified: what the tests of the whole path are made of."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg

from loadtest.observe.sink import WATCHDOG, Notice
from loadtest.observe.watching import Watching, watching
from ops.alerting.links import DASHBOARDS, EXAMPLES, OVERVIEW
from router.domain.lead_in import LeadIn
from tests.alert_files import PAGES
from tests.failure_modes.residual import REPS, SYNC, a_small_server, make_crm_view
from tests.failure_modes.scene import Service, role_with_connections, streaming, web
from tests.redis_servers import DEBIAN, redis_server
from tests.support import connected, until
from tests.workers import Daemon, serving
from tests.world import CATCH_ALL, Tenancy, make_tenant

TIMES = 15
"""So much faster than in production are the rules, their windows, scrapes, evaluations and Alertmanager's waits."""
SOON_S = 60.0
SYNCED = "synced"
"""The tenant whose roster comes from the CRM."""
# The service looks about as often in proportion: every second, and something must last for 6 s to be a stall.
PACE: Mapping[str, object] = {
    "metrics_look_every_s": 1,
    "stalls_look_every_s": 1,
    "stalls_after_s": 6,
    "stalls_oldest_after_s": 60,
    "connections_maximum": 8,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """An alert that must come: to whom, what its text must name, and of which tenant it is ("" = of none)."""

    name: str
    receiver: str
    names: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that runs. `url` is a superuser's, `role` the service's, `synced` the tenant of SYNCED."""

    url: str
    conn: asyncpg.Connection
    role: str
    daemon: Daemon
    watching: Watching
    synced: Tenancy

    async def tenant(self, name: str, reps: bytes = REPS, rules: str = CATCH_ALL) -> Tenancy:
        """A new tenant, so that no fault sees what another one left."""
        return await make_tenant(self.conn, reps, rules, name=name)

    @asynccontextmanager
    async def leads(self, tenant: Tenancy, make: Callable[[int], LeadIn]) -> AsyncIterator[Service]:
        """They stream in, ten a second."""
        service = Service(tenant, self.url, self.url, make, daemons=[self.daemon])
        async with streaming(service):
            yield service

    async def waits(self, tenant: str, least: int) -> None:
        """Until so many leads of the tenant wait."""

        async def there() -> bool:
            waiting = "select count(*) from lead_pool join tenant using (tenant_id) where tenant.name = $1"
            return int(await self.conn.fetchval(waiting, tenant)) >= least

        await until(there, f"{least} leads of {tenant} wait")

    async def arrive(self, since: float, *expected: Expected) -> None:
        """All of these are sent within SOON_S of `since`, with where to read on and what is wrong."""

        async def there() -> bool:
            return all(self._of(one, since) for one in expected)

        wanted = ", ".join(f"{one.name} that names {one.names!r}" for one in expected)
        try:
            await until(there, wanted, SOON_S - (monotonic() - since), every_s=0.2)
        except AssertionError as error:
            told = [(notice.name, notice.resolved, notice.text) for notice in self.watching.sink.since(since)]
            raise AssertionError(f"{error}; sent: {told}; firing: {await self.watching.prometheus.firing()}") from None
        for one in expected:
            has_links(self._of(one, since)[0])

    def _of(self, expected: Expected, since: float) -> list[Notice]:
        return [
            notice
            for notice in self.watching.sink.since(since)
            if (notice.name, notice.receiver, notice.labels.get("tenant", ""))
            == (expected.name, expected.receiver, expected.tenant)
            and not notice.resolved
            and expected.names in notice.text
        ]

    async def resolve(self, since: float, *names: str) -> None:
        """These are sent as resolved, and after that nothing fires."""

        async def over() -> bool:
            last = {notice.name: notice for notice in self.watching.sink.since(since)}
            return all(last[name].resolved for name in names) and set(await self.firing()) == {WATCHDOG}

        try:
            await until(over, f"{', '.join(names)} resolve", SOON_S, every_s=0.2)
        except AssertionError as error:
            told = [(notice.name, notice.resolved) for notice in self.watching.sink.since(since)]
            raise AssertionError(f"{error}; sent: {told}; firing: {await self.firing()}") from None

    async def begins(self) -> None:
        """The watchdog arrives where it belongs, and nothing else fires."""

        async def begun() -> bool:
            told = {notice.receiver for notice in self.watching.sink.got if notice.name == WATCHDOG}
            return told == {"deadman"} and set(await self.firing()) == {WATCHDOG}

        try:
            await until(begun, "only the watchdog arrives", 25, every_s=0.2)
        except AssertionError as error:
            found = await Service(self.synced, self.url, self.url, web).doctor()
            raise AssertionError(
                f"{error}; sent: {self.watching.sink.got}; firing: {await self.firing()}; doctor: {found}"
            ) from None

    async def firing(self) -> Mapping[str, object]:
        """What fires in Prometheus now."""
        return await self.watching.prometheus.firing()

    def only(self, since: float, *names: str) -> None:
        """Nothing else was sent."""
        others = [notice for notice in self.watching.sink.since(since) if notice.name not in names]
        assert not others, [(notice.at - since, notice.name, notice.resolved, notice.text) for notice in others]

    def sent(self, since: float) -> set[str]:
        """Names of all alerts that were sent."""
        return {notice.name for notice in self.watching.sink.since(since)}


def has_links(notice: Notice) -> None:
    """To the page of the alert, which exists, and to the dashboard on which its tenant is chosen."""
    assert notice.annotations["runbook_url"] == f"{EXAMPLES.runbooks}/alerts/{notice.name}.md"
    assert (PAGES / f"{notice.name}.md").is_file()
    board = f"{EXAMPLES.dashboards}/d/{DASHBOARDS.get(notice.name, OVERVIEW)}"
    tenant = notice.labels.get("tenant")
    wanted = board if tenant is None else f"{board}?var-tenant={tenant.replace('(', '%28').replace(')', '%29')}"
    assert notice.annotations["dashboard_url"] == wanted


@asynccontextmanager
async def whole_path(folder: Path) -> AsyncIterator[Surroundings]:
    """PostgreSQL, Redis, the service, Prometheus, Alertmanager and a sink."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(a_small_server())
        conn = await stack.enter_async_context(connected(url))
        role, its_url = await stack.enter_async_context(role_with_connections(conn, url, -1))
        redis = await stack.enter_async_context(redis_server(DEBIAN, folder))
        await make_crm_view(conn)
        synced = await make_tenant(conn, REPS, name=SYNCED)
        sync = folder / "sync.yaml"
        sync.write_text(f"tenants: {{{SYNCED}: {SYNC}}}", encoding="utf-8")
        daemon = await stack.enter_async_context(
            serving(its_url, "serve", redis_url=redis.url, roster_sync_file=sync, **PACE)
        )
        await daemon.said("listening")
        targets = [f"127.0.0.1:{daemon.port}"]
        watches = await stack.enter_async_context(watching(folder / "watching", targets, TIMES))
        path = Surroundings(url, conn, role, daemon, watches, synced)
        await path.begins()
        yield path

"""The service with everything around it, and who is notified: what the tests of the whole path are made of."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from loadtest.observe.sink import WATCHDOG
from loadtest.observe.watching import Watching, watching
from router.domain.lead_in import LeadIn
from tests.e2e.heard import Expected, Heard, quiet
from tests.failure_modes.residual import REPS, SYNC, a_small_server, make_crm_view
from tests.failure_modes.scene import Service, role_with_connections, streaming, web
from tests.redis_servers import DEBIAN, redis_server
from tests.support import connected, until
from tests.workers import Daemon, serving
from tests.world import CATCH_ALL, Tenancy, make_tenant

TIMES = 15
"""So much faster than in production are the rules, their windows, scrapes, evaluations and Alertmanager's waits."""
BEGINS_S = 60.0
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

    async def found(self, code: str) -> None:
        """Until Prometheus has seen that the service has found this."""

        async def there() -> bool:
            return bool(await self.watching.prometheus.value(f'max(lead_router_findings_open{{code="{code}"}})'))

        await until(there, f"the service finds {code}")

    def fault(
        self, *right: Expected, later: Sequence[Expected] = (), companions: Mapping[str, str] | None = None
    ) -> Heard:
        """One that is injected now. Nothing else fires, so what is sent is of this one."""
        return Heard(self.watching, right, later, companions or {})

    async def begins(self) -> None:
        """The watchdog arrives where it belongs, and nothing else fires."""

        async def begun() -> bool:
            receivers = {notice.receiver for notice in self.watching.sink.got if notice.name == WATCHDOG}
            return receivers == {"deadman"} and await quiet(self.watching)

        try:
            await until(begun, "only the watchdog arrives", BEGINS_S, every_s=0.2)
        except AssertionError as error:
            firing = await self.watching.prometheus.firing()
            doctor = await Service(self.synced, self.url, self.url, web).doctor(code=0)
            raise AssertionError(f"{error}\nsent: {self.watching.sink.got}\nfiring: {firing}\n{doctor}") from None


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

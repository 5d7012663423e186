"""The service as it runs: `serve` processes, leads that stream in, and what an on-call engineer would ask and do."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg

from loadtest.faults.residual import make_role, role_with_connections
from ops.cli.audit import audit as audit_command
from ops.cli.doctor import doctor as doctor_command
from ops.cli.status import status as status_command
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from tests.command_line import CommandLine
from tests.e2e.commands import lead_router
from tests.support import connected, until
from tests.workers import Daemon, serving
from tests.world import Tenancy

__all__ = [
    "ALL_ROLES",
    "OVER",
    "QUICK",
    "STANDING",
    "USUAL",
    "Pace",
    "Service",
    "make_role",
    "role_with_connections",
    "running",
    "streaming",
    "web",
]


@dataclass(frozen=True, slots=True)
class Pace:
    """Settings of a daemon, and within how many seconds it notices a stall with them."""

    settings: Mapping[str, object]
    noticed_within_s: float


QUICK = Pace({"stalls_look_every_s": 0.5, "stalls_after_s": 3, "stalls_oldest_after_s": 8}, 20.0)
USUAL = Pace({}, 60.0)
ROUTED_WITHIN_S = 30.0
_GIVES_UP_S = 120.0
"""Each look is a whole command, which on a busy machine takes seconds."""
ALL_ROLES = ("serve",)
STANDING = ("leads stand still", "leads may stand still")
OVER = ("stall over", "what waits can be asked again")


@dataclass
class Service:
    """A tenant whose leads stream in while daemons run. `url` is what the product uses, `direct` what the CRM does."""

    tenant: Tenancy
    url: str
    direct: str
    make: Callable[[int], LeadIn]
    pace: Pace = QUICK
    sent: int = 0
    daemons: list[Daemon] = field(default_factory=list)

    async def waiting(self) -> dict[str, int]:
        """Waiting leads by reason, as `status` has them."""
        document = await CommandLine(status_command, self.url).json("--tenant", "acme")
        return {part["reason"]: part["leads"] for part in document["tenants"][0]["waiting"]}

    async def waits(self, reason: str, least: int = 3) -> None:
        """Until so many leads wait for this reason."""

        async def there() -> bool:
            return (await self.waiting()).get(reason, 0) >= least

        await until(there, f"{least} leads wait for {reason}", _GIVES_UP_S)

    async def doctor(self, code: int = 1) -> list[dict[str, Any]]:
        """Its findings, the worst first, without those of the test's own servers."""
        document = await CommandLine(doctor_command, self.url).json(code=code)
        return [one for one in document["findings"] if one["subject"]["name"] != "fsync"]

    async def fine(self) -> None:
        """The doctor ends with 0; where connections are few, once the daemons have made room for it."""

        async def well() -> bool:
            return (await CommandLine(doctor_command, self.url).run()).exit_code == 0

        await until(well, "the doctor finds nothing critical")

    async def run(self, command: str) -> str:
        """Runs a command as it was printed; returns the one that it prints after `do:` (with --dry-run), else ""."""
        program, *words = shlex.split(command)
        assert program == "lead-router"
        code, output, errors = await lead_router(*words, LEAD_ROUTER_DATABASE_URL=self.url)
        assert code == 0, (command, output, errors)
        return next((line.removeprefix("do: ") for line in output.splitlines() if line.startswith("do: ")), "")

    async def noticed(self, message: str = "") -> dict[str, Any]:
        """The stall in a daemon's log."""
        events = (message,) if message else STANDING

        async def there() -> bool:
            return bool(self.logged(*events))

        await until(there, "the stall is noticed", self.pace.noticed_within_s)
        return self.logged(*events)[0]

    def logged(self, *events: str) -> list[dict[str, Any]]:
        """Lines of the daemons with one of these messages."""
        return [line for daemon in self.daemons for line in daemon.log if line.get("event") in events]

    async def all_routed(self, within_s: float = ROUTED_WITHIN_S) -> None:
        """No lead waits that was sent until now."""
        last = await self.tenant.conn.fetchval("select max(lead_id) from lead")

        async def none_waits() -> bool:
            return not await self.tenant.conn.fetchval("select count(*) from lead_pool where lead_id <= $1", last)

        await until(none_waits, "all waiting leads are routed", within_s)

    async def recovered(self) -> dict[str, Any]:
        """The end of the stall in the log."""

        def lines() -> list[dict[str, Any]]:
            events = ("stall over", "what waits can be asked again")
            return [line for daemon in self.daemons for line in daemon.log if line.get("event") in events]

        async def over() -> bool:
            return bool(lines()) and not await self.tenant.conn.fetchval(
                "select count(*) from stall where ended_at is null"
            )

        await until(over, "the recovery is noticed")
        return lines()[0]

    async def quiet(self) -> None:
        """No stall until now."""
        found = await self.tenant.conn.fetch("select kind, sentence, began_at, ended_at from stall")
        assert not found, [tuple(row) for row in found]
        assert not self.logged(*STANDING), self.logged(*STANDING)

    async def audited(self) -> None:
        result = await CommandLine(audit_command, self.url).run()
        assert result.exit_code == 0, result.output


@asynccontextmanager
async def running(
    tenant: Tenancy,
    url: str,
    make: Callable[[int], LeadIn],
    *,
    daemons: int = 1,
    every_s: float = 0.1,
    direct: str | None = None,
    pace: Pace = QUICK,
    **settings: object,
) -> AsyncIterator[Service]:
    """Daemons with all roles, and a lead every `every_s` seconds."""
    service = Service(tenant, url, direct or url, make, pace)
    async with AsyncExitStack() as stack:
        for _ in range(daemons):
            service.daemons.append(
                await stack.enter_async_context(serving(url, *ALL_ROLES, **{**pace.settings, **settings}))
            )
        for daemon in service.daemons:
            await daemon.said("started")
        async with streaming(service, every_s):
            yield service


@asynccontextmanager
async def streaming(service: Service, every_s: float = 0.1) -> AsyncIterator[None]:
    """A lead every `every_s` seconds."""
    sending = asyncio.create_task(_send(service, every_s))
    try:
        yield
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _send(service: Service, every_s: float) -> None:
    """Tries again where a lock, or a server that is restarted, keeps it from sending: the CRM would, too."""
    while True:
        with suppress(asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.CannotConnectNowError, OSError):
            async with connected(service.direct) as conn:
                await _send_over(conn, service, every_s)
        await asyncio.sleep(every_s)


async def _send_over(conn: asyncpg.Connection, service: Service, every_s: float) -> None:
    while True:
        with suppress(asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError):
            await accept(conn, service.tenant.tenant_id, [service.make(service.sent)], None)
            service.sent += 1
        await asyncio.sleep(every_s)


def web(number: int, **fields: Any) -> LeadIn:
    """A lead of the source web, created now."""
    usual = {"source": "web", "external_id": f"w{number}", "created_at": datetime.now(UTC)}
    return LeadIn(**{**usual, **fields})

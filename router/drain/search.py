"""Finding tenants that have work: by one statement over all, and in parts while a server that has some is away."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from router.drain.drain import Drain
from router.drain.servers_away import ServersAway
from router.store.backoff import wait_s
from router.store.connections.connections import Part
from router.store.errors import TRANSIENT_ERRORS, server_of
from router.store.lane import tenants_with_work
from router.store.parts import ask_in_parts
from router.store.statements import Connection
from router.store.tenants import all_tenants
from router.telemetry.logs import get_logger
from router.telemetry.spans import root_span

log = get_logger(__name__)

# All at once is tried again at these times while it fails: what it costs, the loop of turns waits for.
_FIRST_S, _LONGEST_S = 5.0, 60.0
_PARTS_S = 2.0


@dataclass
class Search:
    """Remembers between two searches which servers were `away`, and whom it has not asked yet."""

    drain: Drain
    away: ServersAway
    _all_at_s: float = 0.0
    _failures: int = 0
    _first: int = 0
    _told: frozenset[str] = field(default_factory=frozenset)

    async def tenants_with_work(self) -> list[int]:
        """Tenants for which a batch may find work, without those of servers that do not answer. Raises what the
        database raises where that is not about a server with rows of some.
        """
        if self._told and not self.away.servers:
            self._all_at_s = 0.0  # a batch has found the last of them back
        if monotonic() >= self._all_at_s:
            try:
                found = await self.drain.tenants_with_work()
            except TRANSIENT_ERRORS as error:
                if server_of(error) is None and not (isinstance(error, TimeoutError) and self.drain.is_distributed):
                    raise
                self._failures += 1
                self._all_at_s = monotonic() + wait_s(self._failures, first_s=_FIRST_S, longest_s=_LONGEST_S)
            else:
                self._failures = 0
                self.away.all_answered(monotonic())
                self._tell()
                return found
        return await self._in_parts()

    async def _in_parts(self) -> list[int]:
        with root_span("find work in parts"):
            async with self.drain.connections.acquire(Part.DRAIN) as conn:
                routed = {tenant.tenant_id: tenant.name for tenant in await all_tenants(conn) if tenant.ruleset}
                asked = [one for one in self._in_turn(routed) if self.away.is_of(one) is None]
                result = await ask_in_parts(conn, asked, _with_work, _PARTS_S)
        self._first = result.left[0] if result.left else 0
        for tenant_id in result.away:
            self.drain.session(tenant_id).name = routed[tenant_id]  # no batch reads it now
        problems = {tenant_id: (one.server, one.problem) for tenant_id, one in result.away.items()}
        self.away.unanswered(problems, monotonic())
        self._tell()
        return result.found

    def _in_turn(self, tenant_ids: Iterable[int]) -> list[int]:
        """Those first that were not asked in time before."""
        return sorted(tenant_ids, key=lambda tenant_id: (tenant_id < self._first, tenant_id))

    def _tell(self) -> None:
        told, self._told = self._told, frozenset(self.away.servers)
        for server in sorted(self._told - told):
            log.warning("server does not answer", server=server, error=self.away.servers[server].problem)
        for server in sorted(told - self._told):
            log.info("server answers again", server=server)


async def _with_work(conn: Connection, tenant_ids: Sequence[int]) -> list[int]:
    return await tenants_with_work(conn, None, tenant_ids)

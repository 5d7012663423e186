"""Servers with rows of tenants that do not answer (Citus): whose tenants wait, and when one of them tries again. Pure.

While a server is away each batch of its tenants would fail, after seconds where the wire is dead, and would keep a slot
meanwhile. So one tenant tries for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_REPORTED_FROM = 2
# Longer than any pause between two attempts: if none fails for so long, none is made.
_TRIED_WITHIN_S = 15.0


@dataclass(slots=True)
class Away:
    """`next_at_s` = when the next attempt may begin (monotonic seconds), `failed_at_s` = when a batch failed last
    (None = only a search did), `tried_by` = the tenant that tries now.
    """

    problem: str
    failures: int = 0
    next_at_s: float = 0.0
    failed_at_s: float | None = None
    tried_by: int | None = None


@dataclass(slots=True)
class ServersAway:
    """`of_tenant` = which server has a tenant's rows, as far as it was heard since one was away. `pause_s` gives the
    seconds until the next attempt after so many failures.
    """

    pause_s: Callable[[int], float]
    servers: dict[str, Away] = field(default_factory=dict)
    of_tenant: dict[int, str] = field(default_factory=dict)

    def is_of(self, tenant_id: int) -> str | None:
        """The server that keeps this tenant waiting."""
        server = self.of_tenant.get(tenant_id)
        return server if server in self.servers else None

    def holds_back(self, tenant_id: int, now_s: float) -> bool:
        """Whether a batch of the tenant is not worth trying: its server is away, and another one tries, or it is too
        soon.
        """
        server = self.is_of(tenant_id)
        if server is None:
            return False
        away = self.servers[server]
        return away.tried_by not in (None, tenant_id) or now_s < away.next_at_s

    def due(self, now_s: float) -> list[int]:
        """One tenant of each server that is to be tried again."""
        first: dict[str, int] = {}
        for tenant_id, server in self.of_tenant.items():
            away = self.servers.get(server)
            if away is not None and server not in first and away.tried_by is None and now_s >= away.next_at_s:
                first[server] = tenant_id
        return list(first.values())

    def begins(self, tenant_id: int) -> None:
        """A batch of the tenant begins: it tries for the others of its server."""
        if (server := self.is_of(tenant_id)) is not None:
            self.servers[server].tried_by = tenant_id

    def ends(self, tenant_id: int) -> None:
        """It is over, however it ended."""
        for away in self.servers.values():
            if away.tried_by == tenant_id:
                away.tried_by = None

    def failed(self, tenant_id: int, server: str, problem: str, now_s: float) -> float:
        """A batch met that the server is away; returns the seconds until the next attempt."""
        away = self.servers.setdefault(server, Away(problem))
        self._is_on(tenant_id, server)
        away.failures += 1
        pause_s = self.pause_s(away.failures)
        away.next_at_s, away.failed_at_s = now_s + pause_s, now_s
        return pause_s

    def failed_otherwise(self, tenant_id: int) -> None:
        """A batch of the tenant failed for a reason of its own, and waits for longer: another one of its server tries
        next.
        """
        if tenant_id in self.of_tenant:
            self.of_tenant[tenant_id] = self.of_tenant.pop(tenant_id)

    def unanswered(self, problems: Mapping[int, tuple[str, str]], now_s: float) -> None:
        """A search met that servers are away: by tenant the server and what was said of it."""
        for tenant_id, (server, problem) in problems.items():
            if server not in self.servers:
                self.servers[server] = Away(problem, 1, now_s + self.pause_s(1))
            self._is_on(tenant_id, server)

    def _is_on(self, tenant_id: int, server: str) -> None:
        before, self.of_tenant[tenant_id] = self.of_tenant.get(tenant_id), server
        if before in self.servers and before not in self.of_tenant.values():
            del self.servers[before]  # all of its tenants were moved: nobody would find it back

    def answered(self, tenant_id: int) -> None:
        """A batch of the tenant was done: its server is back."""
        if (server := self.is_of(tenant_id)) is not None:
            del self.servers[server]
            # Its tenants may be moved before it is away again.
            self.of_tenant = {one: where for one, where in self.of_tenant.items() if where != server}

    def all_answered(self, now_s: float) -> None:
        """A statement over all servers was answered. It only reads: a server on which a batch failed a moment ago may
        be full or read-only, and is back when a batch was done.
        """
        kept = {
            server: away
            for server, away in self.servers.items()
            if away.failed_at_s is not None and now_s - away.failed_at_s < _TRIED_WITHIN_S
        }
        self.servers = kept
        self.of_tenant = {one: server for one, server in self.of_tenant.items() if server in kept}

    def report(self, name: Callable[[int], str]) -> list[str]:
        """A sentence for each server that has been away for longer than a moment; `name` gives that of a tenant."""
        said = []
        for server, away in self.servers.items():
            of = sorted(tenant_id for tenant_id, one in self.of_tenant.items() if one == server)
            if away.failures >= _REPORTED_FROM and of:
                whose = f"{name(of[0])} and {len(of) - 1:,} more" if len(of) > 1 else name(of[0])
                what = f"its tenants ({whose}) wait, others go on"
                said.append(f"server {server} does not answer: {what}: {away.problem}")
        return said

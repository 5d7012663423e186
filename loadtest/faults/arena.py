"""Everything that a fault meets: a server, a proxy before it, routers, a stream of leads, endings, a monitor."""

import asyncio
import secrets
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import asyncpg

from loadtest.daemon import Daemon, started
from loadtest.faults.conservation import Monitor, conserved, missing
from loadtest.faults.people import PASSED, SQL, Ender, Ledger, Session, Writer
from loadtest.faults.posting import TAKEN, Poster
from loadtest.faults.proxy import Proxy, proxy
from loadtest.faults.server import FaultServer
from loadtest.faults.world import SOUTH, make_tenants
from loadtest.until import until
from router.domain.access import TokenRole
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from router.store.tokens import NewToken, create_token, new_token

PROBE_SOURCE = "probe"
# After crashes leads come one at a time, some thousand of them, on a machine that also starts processes.
_SETTLE_S = 180.0
_RECOVER_S = 60.0
_FIRST = 1_000_000
_LINES = 15
SETTINGS: Mapping[str, object] = {"drain_batch_leads": 40, "drain_poll_interval_s": 0.2}


@dataclass(frozen=True, slots=True)
class Errors:
    """What intake heard instead of yes while the leads came, by type, and how many assignments ended how."""

    intake: Counter[str]
    endings: Counter[str]


@dataclass
class Arena:
    """Open with `arena`. Routers come through the proxy, everybody else directly.

    `posts` are what was answered over HTTP in the life of now or of last, as `Poster.answers`.
    """

    server: FaultServer
    proxy: Proxy
    database: str
    tenants: list[int] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    routers: list[Daemon] = field(default_factory=list)
    errors: Errors = field(default_factory=lambda: Errors(Counter(), Counter()))
    intake_errors: Counter[str] = field(default_factory=Counter)
    posts: Counter[str] = field(default_factory=Counter)
    journals: dict[Path, Daemon | None] = field(default_factory=dict)
    _probes: int = 0

    @property
    def url(self) -> str:
        """Past the proxy."""
        return self.server.url(self.database)

    @property
    def routed_url(self) -> str:
        """As the routers know the database."""
        return self.server.tcp_url(self.database, self.proxy.port)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection past the proxy."""
        conn = await asyncpg.connect(self.url, timeout=10)
        try:
            yield conn
        finally:
            conn.terminate()

    async def add_router(self, **settings: object) -> Daemon:
        """One more router, started and perhaps not running yet; `settings` as of `loadtest.daemon.started`."""
        # As it is delivered, with all roles: the blocking watch is one of the duties.
        journal = self._free_journal()
        of_its_own = {} if journal is None else {"journal_file": journal}
        daemon = await started(self.routed_url, "serve", **(self.settings | of_its_own | settings))
        if journal is not None:
            self.journals[journal] = daemon
        self.routers.append(daemon)
        return daemon

    def _free_journal(self) -> Path | None:
        """One that nobody has, or whose router is gone: what is in it has to be drained."""
        return next((path for path, daemon in self.journals.items() if daemon is None or not daemon.alive), None)

    async def remove_router(self, daemon: Daemon, number: signal.Signals = signal.SIGKILL) -> int:
        """Ends a router by a signal; returns its exit code."""
        self.routers.remove(daemon)
        daemon.hear(number)
        return await daemon.ended()

    async def all_listening(self) -> None:
        await asyncio.gather(*(daemon.said("listening") for daemon in self.routers))

    async def recovered(self, deadline_s: float = _RECOVER_S) -> float:
        """Hands in one urgent lead, waits until it has a rep; returns seconds from now. Raises AssertionError."""
        begin, deadline = monotonic(), monotonic() + deadline_s
        self._probes += 1
        # Not only its number: the server may have been put back to a time when that number was free.
        name = f"{self._probes}-{secrets.token_hex(4)}"
        lead = LeadIn(PROBE_SOURCE, name, region=SOUTH, product=name, priority=_FIRST)
        tenant_id = self.tenants[self._probes % len(self.tenants)]
        while True:
            try:
                async with asyncio.timeout(10), self.session() as conn:
                    lead_ids = (await accept(conn, tenant_id, [lead])).lead_ids
                    self.ledger.note(tenant_id, [lead], lead_ids)
                    while not await SQL.is_assigned.value(conn, tenant_id=tenant_id, lead_id=lead_ids[0]):
                        await asyncio.sleep(0.005)
                    return monotonic() - begin
            except PASSED as error:
                if monotonic() > deadline:
                    raise AssertionError(f"no lead was routed within {deadline_s:g} s: {error!r}") from error
                await asyncio.sleep(0.02)

    async def progressed(self, assignments: int, deadline_s: float = _RECOVER_S) -> None:
        """Until so many more leads have been assigned than now."""
        async with self.session() as conn:
            goal = await SQL.assigned_so_far.value(conn) + assignments

            async def there() -> bool:
                return bool(await SQL.assigned_so_far.value(conn) >= goal)

            await until(there, f"{assignments} more assignments", deadline_s)

    async def taken(self, posts: int, answer: str = TAKEN, deadline_s: float = _RECOVER_S) -> None:
        """Until so many more posts have been answered 202, or `journalled`."""
        goal = self.posts[answer] + posts

        async def there() -> bool:
            return self.posts[answer] >= goal

        await until(there, f"{posts} more posts answered {answer}", deadline_s)

    @asynccontextmanager
    async def life(
        self, seed: int = 1, *, through_proxy: bool = False, portion: int = 10, over_http: bool = False
    ) -> AsyncIterator[Monitor]:
        """Leads stream in, assignments end, somebody looks; at the end of the block all of it stops, by itself.

        Raises AssertionError when a snapshot broke a promise. `through_proxy`: the writer's wire is the routers'.
        `over_http`: leads are also posted to the routers' API, which must not answer what no fault excuses.
        """
        stop, monitor = asyncio.Event(), Monitor(self.url)
        poster = Poster(lambda: self.routers, await self._tokens() if over_http else {}, self.ledger, seed)
        writer_url = self.routed_url if through_proxy else self.url
        writer = Writer(writer_url, self.tenants, self.ledger, seed, portion)
        self.intake_errors, self.posts = writer.errors, poster.answers
        async with asyncio.TaskGroup() as group:
            errors = group.create_task(writer.run(stop))
            endings = group.create_task(Ender(self.url, self.tenants, seed).run(stop))
            group.create_task(monitor.run(stop))
            if over_http:
                group.create_task(poster.run(stop))
            try:
                yield monitor
            finally:
                stop.set()
        self.errors = Errors(errors.result(), endings.result())
        told = monitor.findings.told + poster.wrong
        assert not told, told

    async def _tokens(self) -> dict[int, str]:
        """A token for leads, by tenant."""
        tokens = {tenant_id: new_token(tenant_id) for tenant_id in self.tenants}
        async with self.session() as conn:
            for token in tokens.values():
                await create_token(conn, token, NewToken("posts", TokenRole.INTAKE), "faults")
        return {tenant_id: str(token) for tenant_id, token in tokens.items()}

    async def settled(self, deadline_s: float = _SETTLE_S) -> None:
        """Until the journals are drained, and no ready lead and no news is left. Raises AssertionError."""

        async def nothing_left() -> bool:
            try:
                async with self.session() as conn:
                    drained = not await missing(conn, self.ledger.unnumbered)
                    return drained and not await SQL.unsettled.value(conn)
            except PASSED:
                return False

        try:
            await until(nothing_left, "everything that can be routed is", deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; left: {await self._left()}") from error

    async def _left(self) -> str:
        """What keeps it from being settled, lane by lane, and what the routers logged last."""
        async with self.session() as conn:
            told = await missing(conn, self.ledger.unnumbered)
            told += [str(dict(row)) for row in await SQL.left.fetch(conn)]
        return "\n".join(told + [str(line) for daemon in self.routers for line in daemon.log[-_LINES:]])

    def surprises(self) -> list[str]:
        """What the routers that run now logged as an error: a fault of others is a warning at most."""
        lines = [line for daemon in self.routers for line in daemon.log]
        return [str(line) for line in lines if line.get("level") in ("error", "critical")]

    async def broken_promises(self) -> list[str]:
        """The conservation check, to be called when all has settled."""
        async with self.session() as conn:
            return await conserved(conn, self.ledger)


@asynccontextmanager
async def arena(
    server: FaultServer,
    database: str,
    *,
    routers: int = 4,
    tenants: int = 3,
    pooler_port: int | None = None,
    journals: int = 0,
    **settings: object,
) -> AsyncIterator[Arena]:
    """Routers on tenants of a migrated database; whatever is left of the routers is killed at the end.

    With `pooler_port`, that of a pooler before the server (None = the server's own), they come through it. So many of
    them have `journals`; who comes in the place of one of these gets its file.
    """
    async with proxy(pooler_port or server.pooler_port or server.port) as wire:
        with tempfile.TemporaryDirectory(prefix="journals-") as folder:
            made = Arena(server, wire, database, settings={**SETTINGS, **settings})
            made.journals = dict.fromkeys(Path(folder) / f"journal{number}.db" for number in range(journals))
            async with made.session() as conn:
                made.tenants = await make_tenants(conn, tenants, datetime.now(UTC))
            try:
                for _ in range(routers):
                    await made.add_router()
                await made.all_listening()
                yield made
            finally:
                for daemon in list(made.routers):
                    await made.remove_router(daemon)

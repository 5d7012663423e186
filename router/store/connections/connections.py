"""Database connections: a bounded set that is lent by shares, with deadlines, and that grows and shrinks as it runs.

It is our own set, not asyncpg's: docs/decisions/0017-own-set-of-connections.md says why.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

import asyncpg

from router.settings.model import ConnectionSettings
from router.store.connections.connect import APPLICATION_NAME, Announce, Session, open_session, session_label
from router.store.connections.fair_queue import FairQueue, Part, share
from router.store.connections.leases import Lease, holder_named
from router.store.connections.open_connections import IdleConnection, OpenConnections
from router.store.errors import ConnectionsInUse, NoConnection, refused
from router.store.health import answers
from router.store.statements import Connection
from router.store.transactions import with_lock_timeout
from router.telemetry.instruments import Instruments
from router.telemetry.masking import mask_passwords
from router.telemetry.spans import inner_span

__all__ = ["APPLICATION_NAME", "ConnectionSettings", "Connections", "NoConnection", "Part", "open_connections"]

# One that rested longer is asked for an answer before it is lent: its wire may be dead without a word.
_ASK_AFTER_S = 1.0
_ANSWER_DEADLINE_S = 1.0
# While all are lent, an answer that is not older than this proves that the server is there.
_SIGN_OF_LIFE_S = 10.0

# A line that has not been empty for the first of these (seconds) is no burst: more is asked for than can be answered,
# and with long waits all of the part would be answered at the last moment, or too late, until the demand falls. So
# waits are short then, and those who are answered are answered soon; the others hear of it at once. The rule of CoDel
# for servers (B. Maurer, "Fail at Scale", ACM Queue 13:8, 2015).
_STANDING_AFTER_S = 2.0
_STANDING_WAIT_S = 1.0

# Whoever waits keeps a connection from others, and there may be two. Periodic work comes again soon anyway.
_LOCK_TIMEOUT_S = 2.0


Opener = Callable[[ConnectionSettings], Awaitable[Session]]


class Connections:
    """A bounded set of connections to one database; open with `open_connections`.

    Who waits stands in a line per part (`fair_queue`); the stock (`open_connections`) opens connections
    for those who wait, as far as the server gives them, and what is there goes to whose turn it is.
    """

    def __init__(
        self,
        opener: Opener,
        settings: ConnectionSettings,
        instruments: Instruments | None = None,
        *,
        instance: str | None = None,
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.shut: Callable[[], str | None] = lambda: None
        """Why nothing is lent yet, such as that the schema is not known to be there; None = all may be."""
        self._instruments = instruments or Instruments.silent()
        self._turns: FairQueue[IdleConnection] = FairQueue()
        self._lent: dict[Session, Lease] = {}
        self._short_since: float | None = None
        self._line_since: dict[Part, float] = {}
        self._instruments.connections_opened(settings.maximum, Part)
        self.stock = OpenConnections(
            lambda: opener(self.settings), settings.maximum, self._instruments, changed=self._serve
        )

    # -- what is there

    @property
    def limit(self) -> int:
        """How many there may be now (at least 1): the maximum, unless others need theirs or the server refuses."""
        return max(1, self.stock.limit)

    @property
    def lent(self) -> dict[Session, Lease]:
        """What is lent now, and to whom."""
        return dict(self._lent)

    @property
    def away(self) -> bool:
        """Whether the server gave no connection when it was last asked, and there is none: waiting is in vain now."""
        return self.stock.trouble is not None and self.stock.open == 0

    def share(self, part: Part) -> int:
        """How many connections the part may use at once, now."""
        return share(part, self.limit)

    def contended(self, part: Part) -> bool:
        """Whether another part, which has fewer, waits: give one back at the next occasion."""
        return self._turns.contended(part, self.limit)

    async def check(self, deadline_s: float) -> None:
        """Asks the database for an answer. Raises NoConnection, TimeoutError, OSError or asyncpg errors.

        All connections at work are no fault: then it is enough that the server answered one of them lately.
        """
        try:
            async with asyncio.timeout(deadline_s), self.acquire(Part.CONSOLE, deadline_s * 0.9) as conn:
                await answers(conn)
        except NoConnection:
            at_work = self.stock.trouble is None and bool(self._lent)
            if not at_work or monotonic() - self.stock.answered_at > _SIGN_OF_LIFE_S:
                raise

    # -- changing it

    def resize(self, settings: ConnectionSettings) -> None:
        """Applies other settings at once. A lower maximum ends no work: who has a connection keeps it until done."""
        self._instruments.connections_resized(settings.maximum - self.settings.maximum)
        self.settings = settings
        self.stock.label = session_label(self.instance, settings.maximum)
        self.stock.resize(settings.maximum)

    async def close(self) -> None:
        """Ends all connections; a dead wire costs some seconds at most."""
        await self.stock.close()
        self._instruments.connections_resized(-self.settings.maximum)

    # -- lending

    @asynccontextmanager
    async def acquire(
        self, part: Part, deadline_s: float | None = None, *, leaves_nothing: bool = False
    ) -> AsyncIterator[Connection]:
        """Lends a connection that waits for no lock longer than 2 s. Raises NoConnection when none is free within the
        deadline (seconds); without one within `acquire_deadline_s`, or 1 s for requests while too many wait. It is
        ConnectionsInUse where the server is there.

        A server that refuses or is away is asked again until then. `leaves_nothing`: of what is asked nothing outlives
        its transaction, so that the session needs no cleaning, which costs a round trip, unless something failed.
        """
        if (shut := self.shut()) is not None:
            raise NoConnection(f"{part}: {shut}")
        with inner_span("acquire connection", {"lead_router.part": part.value}):
            session = await self._wait(part, self._patience_s(part) if deadline_s is None else deadline_s)
        limit_s = None if part in (Part.HINTS, Part.JOBS) else self.settings.held_limit_s
        lending = Lease(part, holder_named(), limit_s, self._instruments)
        self._lent[session] = lending
        clean = False
        try:
            with self._instruments.connection_use(part):
                yield with_lock_timeout(session, _LOCK_TIMEOUT_S)
            clean = leaves_nothing
        finally:
            lending.over()
            del self._lent[session]
            if clean and self.stock.rest_clean(session):
                self._is_back(part)
            else:
                # Not waited for: cleaning it costs a round trip, and over a dead wire seconds.
                self.stock.in_background(self._take_back(part, session), "give back")

    async def _take_back(self, part: Part, session: Session) -> None:
        try:
            await self.stock.give_back(session)
        finally:
            self._is_back(part)

    def _is_back(self, part: Part) -> None:
        self._turns.back(part)
        self._serve()

    def _patience_s(self, part: Part) -> float:
        longest = self.settings.acquire_deadline_s
        if part is not Part.CONSOLE or not self._turns.has_waiting(part):
            return longest
        standing = monotonic() - self._line_since[part] > _STANDING_AFTER_S
        return min(longest, _STANDING_WAIT_S) if standing else longest

    async def _wait(self, part: Part, wait_s: float) -> Session:
        with self._instruments.connection_wait(part):
            try:
                async with asyncio.timeout(wait_s) as limit:
                    return await self._usable(part)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                self._instruments.connection_timed_out(part)
                raise self._none(part, wait_s) from self.stock.trouble or error

    async def _usable(self, part: Part) -> Session:
        first = False
        while True:
            rested = await self._turn(part, first=first)
            if monotonic() - rested.since < _ASK_AFTER_S or await self._answers(part, rested.session):
                return rested.session
            first = True

    async def _answers(self, part: Part, session: Session) -> bool:
        answered = False
        try:
            async with asyncio.timeout(_ANSWER_DEADLINE_S):
                await answers(session)
            answered = True
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            # What rested as long over the same wire is as dead, and each would cost a deadline.
            self.stock.end_resting(_ASK_AFTER_S)
        finally:
            if not answered:
                self.stock.lose(session)
                self._turns.back(part)
        return answered

    async def _turn(self, part: Part, *, first: bool) -> IdleConnection:
        if self.stock.closed:
            raise NoConnection(f"{part}: the connections are closed")
        if not self._turns.has_waiting(part):
            self._line_since[part] = monotonic()
        waiter: asyncio.Future[IdleConnection] = asyncio.get_running_loop().create_future()
        self._turns.join(part, waiter, first=first)
        self._serve()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It came in the moment in which nobody waited for it any more.
                self._turns.back(part)
                self.stock.put_back(waiter.result())
            raise
        finally:
            self._turns.leave(part, waiter)
            self._mark_shortage()

    def _serve(self) -> None:
        """Gives what is there to whose turn it is, and has opened what is missing."""
        limit = self.limit
        while self._turns.servable(limit) and (rested := self.stock.take()) is not None:
            self._turns.serve(rested, limit)
        self.stock.want(self._turns.servable(limit))
        self._mark_shortage()

    def _mark_shortage(self) -> None:
        now = monotonic()
        if self._short_since is not None:
            self._instruments.connections_short(now - self._short_since)
        self._short_since = now if self._turns.waiting else None

    def _none(self, part: Part, wait_s: float) -> NoConnection:
        words = f"{part}: no database connection within {wait_s:g} s"
        trouble = self.stock.trouble
        if trouble is not None:
            # One that has no connection left for us is not away.
            kind = ConnectionsInUse if refused(trouble) else NoConnection
            return kind(f"{words}; the server gives none: {mask_passwords(f'{type(trouble).__name__}: {trouble}')}")
        holders = ", ".join(sorted(str(lending) for lending in self._lent.values())[:5])
        return ConnectionsInUse(
            f"{words}; {len(self._lent)} of {self.limit} are in use" + (f" ({holders})" if holders else "")
        )


@asynccontextmanager
async def open_connections(
    url: str,
    settings: ConnectionSettings | None = None,
    instruments: Instruments | None = None,
    *,
    instance: str | None = None,
    statement_deadline_s: float | None = None,
    announce: Announce | None = None,
) -> AsyncIterator[Connections]:
    """Opens connections to `url`, closes them at the end. Raises OSError or asyncpg errors when it cannot.

    With `instance`, that of a service, it does not raise but waits for the database: `acquire` tells who asks.
    `statement_deadline_s` ends the wait for an answer over a wire that only seems to be alive; `announce` is given the
    tenants of which there is news, after each commit.
    """

    async def open_one(limits: ConnectionSettings) -> Session:
        label = session_label(instance, limits.maximum)
        return await open_session(
            url, label, limits.connect_deadline_s, limits.tcp_user_timeout_ms, statement_deadline_s, announce
        )

    connections = Connections(open_one, settings or ConnectionSettings(), instruments, instance=instance)
    try:
        if instance is None:
            await connections.stock.open_first()
        yield connections
    finally:
        await connections.close()

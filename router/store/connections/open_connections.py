"""The connections that are open: opened as far as allowed when they are wanted, ended when they are too many."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from time import monotonic
from typing import Any

import asyncpg

from router.store.connections.adaptive_limit import AdaptiveLimit
from router.store.connections.connect import Session, closed
from router.store.health import answers
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

log = get_logger(__name__)

_RESET_DEADLINE_S = 5.0
_ANSWER_DEADLINE_S = 2.0
# At the end a dead wire may not keep the process; its sessions end with it.
_GOODBYE_S = 0.3
_OPENING = "open connection"
# Nobody needed it for so long: another process may.
_REST_S = 60.0
# A session's memory at the server grows with what it has seen.
_LIFE_S = 3600.0


@dataclass(frozen=True, slots=True)
class IdleConnection:
    """A session, and since when (monotonic seconds) nothing was asked through it."""

    session: Session
    since: float


class OpenConnections:
    """`opener` opens one; `changed` hears that there is one to lend, or that the limit is another.

    Not to be shared between threads; every method but `give_back` and `close` returns at once.
    """

    def __init__(
        self,
        opener: Callable[[], Awaitable[Session]],
        maximum: int,
        instruments: Instruments,
        changed: Callable[[], None],
    ) -> None:
        self._opener = opener
        self._instruments = instruments
        self._changed = changed
        self._allowance = AdaptiveLimit(maximum)
        self._resting: list[IdleConnection] = []
        self._out: set[Session] = set()
        self._opening = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shown = 0
        self.trouble: BaseException | None = None
        """Why the server gave no connection when it was last asked for one; None = it gave one."""
        self.label: str | None = None
        """What sessions are to be called from their next reset on; None = as they were opened."""
        self.answered_at = monotonic()
        """When the server last answered anything (monotonic seconds)."""
        self.returned_at = 0.0
        """When it last gave one after it had refused or had been away (monotonic seconds); it may be another server."""
        self.closed = False

    @property
    def open(self) -> int:
        """How many are open."""
        return len(self._resting) + len(self._out)

    @property
    def limit(self) -> int:
        """How many there may be now; 0 while the server gives none."""
        return self._allowance.limit

    def resize(self, maximum: int) -> None:
        """Another maximum. What is lent beyond it is ended when it comes back."""
        self._allowance.maximum = maximum
        self._trim()
        self._changed()

    def cap(self, fair: int | None, free: int) -> None:
        """This process's part of what the server has for all; None = there is enough. `free` are in use by nobody."""
        self._allowance.fair = fair
        if fair is None and free > 0 and self._allowance.recovering:
            # Nobody waits, so nobody would find out that the server has room again.
            self._allowance.granted = self.trouble = None
        self._trim()
        self._changed()

    def take(self) -> IdleConnection | None:
        """One to lend, the one that was used last; None = none is there."""
        while self._resting:
            rested = self._resting.pop()
            if not rested.session.is_closed():
                self._out.add(rested.session)
                return rested
        self._show()
        return None

    def put_back(self, rested: IdleConnection) -> None:
        """One that was taken and not used."""
        self._out.discard(rested.session)
        self._rest(rested)

    def lose(self, session: Session) -> None:
        """One that was taken and is of no use."""
        self._out.discard(session)
        session.terminate()
        self._show()

    def rest_clean(self, session: Session) -> bool:
        """One that was used, has answered, and needs no cleaning. False = it is to be given back as others are."""
        if not self._keeps(session) or session.label != self.label or session.is_in_transaction():
            return False
        self.answered_at = monotonic()
        self._out.discard(session)
        self._rest(IdleConnection(session, monotonic()))
        return True

    async def give_back(self, session: Session) -> None:
        """One that was used: cleaned, or ended when it is not needed any more. Never raises."""
        session.label = self.label
        try:
            if not session.is_closed() and session.is_in_transaction():
                # Its rollback did not come through, so its wire is not to be trusted; the server rolls back.
                session.terminate()
            elif self._keeps(session):
                if session.asked_at is not None:
                    # The caller gave up, and behind a pooler there is no cleaning that would find the wire dead. Not
                    # ended at once: PgBouncer before 1.21 may end itself over a client that goes while its cancel
                    # request is under way.
                    async with asyncio.timeout(_ANSWER_DEADLINE_S):
                        await answers(session)
                await session.reset(timeout=_RESET_DEADLINE_S)
                self.answered_at = monotonic()
        except Exception as error:  # also what asyncpg says of itself when a statement was cancelled as the wire broke
            log.debug("connection not kept", error=f"{type(error).__name__}: {error}")
            session.terminate()
        self._out.discard(session)
        if self._keeps(session, others=1):
            self._rest(IdleConnection(session, monotonic()))
        else:
            self._end(session)
            self._changed()

    def end_resting(self, longer_than_s: float = _REST_S) -> None:
        """Ends those that nobody used for so long."""
        before = monotonic() - longer_than_s
        for rested in [one for one in self._resting if one.since <= before]:
            self._resting.remove(rested)
            self._end(rested.session)

    def want(self, waiting: int) -> None:
        """So many wait that may have one: opens as many as are missing, as far as there is room."""
        missing = waiting - self._opening
        room = self.limit - self.open - self._opening
        if self._allowance.recovering:
            room = min(room, 1 - self._opening)
        for _ in range(min(missing, room) if not self.closed else 0):
            self._opening += 1
            self.in_background(self._open(), _OPENING)

    async def open_first(self) -> None:
        """Opens one. Raises what stands in the way, unless the server only has none left just now."""
        self._opening += 1
        try:
            await self._open_or_raise()
        except asyncpg.TooManyConnectionsError as error:
            self._failed(error)
        finally:
            self._opening -= 1

    def in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs it under this owner, apart from the span and the log context of who asks: a connection outlives them."""
        task = asyncio.create_task(work, name=name, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def abandon(self) -> None:
        """Ends what is lent, whoever uses it: what was not committed is rolled back."""
        for session in self._out:
            session.terminate()

    async def close(self) -> None:
        """Ends everything, politely where the server answers soon."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self.end_resting(0)
        for task in self._tasks:
            if task.get_name() == _OPENING:
                task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_GOODBYE_S)
            self.abandon()
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_GOODBYE_S)
        self._show()

    # -- inside

    async def _open(self) -> None:
        try:
            await self._open_or_raise()
        except Exception as error:  # whatever it is, those who wait are told in time, and it is tried again
            self._failed(error)
        finally:
            self._opening -= 1
        self._changed()

    async def _open_or_raise(self) -> None:
        session = await self._opener()
        if self.trouble is not None:
            self.returned_at = monotonic()
            log.info("the database gives connections again", open=self.open + 1)
        self.trouble = None
        self.answered_at = monotonic()
        self._allowance.opened(self.open + 1)
        self._rest(IdleConnection(session, monotonic()))

    def _failed(self, error: BaseException) -> None:
        refused = isinstance(error, asyncpg.TooManyConnectionsError)
        self._instruments.connection_not_opened("refused" if refused else "away")
        wait_s = self._allowance.failed(self.open)
        if type(error) is not type(self.trouble):
            what = "the database refuses more connections" if refused else "the database gives no connection"
            log.warning(what, error=mask_passwords(f"{type(error).__name__}: {error}"), open=self.open)
        self.trouble = error
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._try_again)

    def _try_again(self) -> None:
        self._allowance.try_again(self.open)
        self._changed()

    def _keeps(self, session: Session, others: int = 0) -> bool:
        young = asyncio.get_running_loop().time() - session.opened_at < _LIFE_S
        return young and not self.closed and not session.is_closed() and self.open + others <= max(1, self.limit)

    def _rest(self, rested: IdleConnection) -> None:
        if self.closed:
            self._end(rested.session)
        elif not rested.session.is_closed():
            self._resting.append(rested)
        self._trim()
        self._changed()

    def _trim(self) -> None:
        while self._resting and self.open > max(1, self.limit):
            self._end(self._resting.pop(0).session)
        self._show()

    def _end(self, session: Session) -> None:
        if not session.is_closed():
            self.in_background(closed(session), "close connection")
        self._show()

    def _show(self) -> None:
        self._instruments.connections_open(self.open - self._shown, self.limit)
        self._shown = self.open

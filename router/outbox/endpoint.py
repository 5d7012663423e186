"""Delivering to one endpoint, as long as it is ours: reads events in pages, keeps some attempts under way, and writes
down in batches how far it has come. What was under way when the process died is sent once more, with the same id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic

from router.outbox.attempts import Answer, Breaker, retry_wait_s
from router.outbox.backlog import Backlog, Entry
from router.outbox.cursor import Cursor
from router.outbox.event import Event
from router.outbox.feed import RuleNames
from router.outbox.reader import PAGE, Reader
from router.outbox.signing import secret_key
from router.store import webhooks as store
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.webhooks import Progress, PutOff, Working
from router.telemetry.instruments import DeliveryResult, Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_SAVE_EVERY_S = 0.5
_SAVE_IDLE_S = 0.1
_SAVE_AFTER = 1000
_REST_S = 0.25
_SECRETS_EVERY_S = 30.0
_LANDING_S = 2.0
_SAVING_S = 1.5
_TRIED_ONCE = 1

Send = Callable[[Working, Event, Sequence[bytes]], Awaitable[Answer]]


class Endpoint:
    """One run of deliveries. `random` gives numbers from 0 to 1, `clock` is monotonic."""

    def __init__(
        self,
        working: Working,
        me: int,
        connections: Connections,
        send: Send,
        names: RuleNames,
        instruments: Instruments,
        random: Callable[[], float],
        concurrency: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.working = working
        self._me = me
        self._connections = connections
        self._send = send
        self._instruments = instruments
        self._random = random
        self._concurrency = concurrency
        self._clock = clock
        self._backlog = Backlog(Cursor(working.position, working.place))
        self._breaker = Breaker(clock, random, working.failures)
        self._keys: list[bytes] = []
        self._keys_read_at = float("-inf")
        self._reader = Reader(working, me, connections, names, self._backlog, clock)
        self._attempts: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._gone = False
        self._probes = 0
        self._delivered = 0
        self._error: str | None = None
        self._saved_at = clock()
        self._saved: tuple[Cursor, int] = (self._backlog.read, working.failures)
        self.update(working)

    def update(self, working: Working) -> None:
        """It is ours still, for as long as `ours_s` says, and the feed stands there."""
        self._reader.head = working.last_position + working.unplaced
        self._ours_until = self._clock() + working.ours_s
        self._wake.set()

    def stop(self) -> None:
        """Ends the run: what is under way is waited for a little, and what was done is written down."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Until it is stopped, is not ours any more, or was changed by a person. Raises what the database raises."""
        try:
            is_ours = await self._deliver()
        except BaseException:
            await self._land(0.0)
            raise
        # Also when somebody else goes on from what is stored: no attempt of this run may be made beside theirs.
        await self._land(_LANDING_S)
        if not is_ours:
            return
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            async with asyncio.timeout(_SAVING_S):
                await self._end()

    async def _deliver(self) -> bool:
        """Until it is over; False = it is not ours any more, or a person changed it, and nothing may be written."""
        while not self._over():
            await self._read_secrets()
            if not await self._read():
                return False
            self._begin_attempts()
            if self._is_time_to_save() and not await self._save():
                return False
            await self._rest()
        return True

    def _over(self) -> bool:
        return self._stopping or self._gone or self._clock() >= self._ours_until

    # -- reading

    async def _read_secrets(self) -> None:
        """Secrets end at some time, and new ones are added."""
        if self._clock() - self._keys_read_at < _SECRETS_EVERY_S:
            return
        async with self._connections.acquire(Part.DUTIES) as conn:
            secrets = await store.secrets_of(conn, *self.working.key)
        self._keys, self._keys_read_at = [secret_key(one) for one in secrets], self._clock()

    async def _read(self) -> bool:
        """What there is room for; False = the endpoint is not ours any more."""
        if self._reader.wants_due():
            # What is loaded must be what is known here.
            if self._backlog.unsaved and not await self._save():
                return False
            await self._reader.load_due()
        if self._reader.wants_more() and (not self._breaker.open or self._backlog.idle):
            await self._reader.read_on()
        return True

    # -- sending

    def _begin_attempts(self) -> None:
        """As many as may begin now."""
        while (entry := self._may_begin()) is not None:
            task = asyncio.create_task(self._attempts_from(entry))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    def _may_begin(self) -> Entry | None:
        """The event to send now, if one more attempt may begin."""
        if self._over() or not self._breaker.free(self._backlog.in_flight, self._concurrency):
            return None
        return self._next()

    def _next(self) -> Entry | None:
        if not self._breaker.open:
            return self._backlog.take(self._clock())
        # In turns what failed and what is new: one of them may be refused for a reason of its own.
        self._probes += 1
        return self._backlog.take(self._clock(), held_first=self._probes % 2 == 1)

    async def _attempts_from(self, first: Entry) -> None:
        """One attempt after the other, until there is none to begin."""
        entry: Entry | None = first
        while entry is not None:
            await self._attempt(entry)
            entry = self._may_begin()
            self._begin_attempts()
            if self._backlog.size <= PAGE // 2 or self._delivered >= _SAVE_AFTER or not self._backlog.in_flight:
                self._wake.set()

    async def _attempt(self, entry: Entry) -> None:
        try:
            answer = await self._send(self.working, entry.event, self._keys)
        except asyncio.CancelledError:
            self._backlog.give_back(entry)
            raise
        except Exception as error:
            # An event that cannot be sent for a fault of ours must not stop the line either.
            log.exception("event could not be sent", **self._named(), event_id=entry.event.id)
            answer = Answer(f"{type(error).__name__}")
        self._finish(entry, answer)

    def _finish(self, entry: Entry, answer: Answer) -> None:
        if answer.error is None:
            self._backlog.taken(entry)
            self._delivered += 1
            if self._breaker.worked():
                log.info("webhook works again", **self._named())
                self._backlog.hurry(_TRIED_ONCE)
            return
        self._error = answer.error
        if answer.gone:
            self._gone = True
            self._backlog.give_back(entry)
            return
        self._instruments.webhook_deliveries(DeliveryResult.FAILED)
        self._fail(entry, answer, answer.error)

    def _fail(self, entry: Entry, answer: Answer, error: str) -> None:
        # While the endpoint is down as a whole, no event loses one of its attempts, and none waits longer for it.
        counts = answer.reached and not self._breaker.open
        was_open = self._breaker.open
        self._breaker.failed(answer)
        if self._breaker.open and not was_open:
            log.warning("webhook is down", **self._named(), error=error)
        attempts = entry.attempts + counts
        wait_s = retry_wait_s(attempts if counts else 1, self._random())
        if wait_s is None:
            log.warning("event given up", **self._named(), event_id=entry.event.id, error=error)
            self._instruments.webhook_deliveries(DeliveryResult.DEAD)
            self._backlog.given_up(entry, error)
        else:
            self._backlog.put_off(entry, self._clock() + wait_s, error, counts=counts)

    # -- writing down

    def _is_time_to_save(self) -> bool:
        waited = self._until_saving_s() <= 0
        return self._delivered >= _SAVE_AFTER or (waited and self._has_news())

    def _until_saving_s(self) -> float:
        """Seconds until it is time to save what is new: soon when there is nothing else to do."""
        busy = self._backlog.in_flight or self._backlog.size
        return self._saved_at + (_SAVE_EVERY_S if busy else _SAVE_IDLE_S) - self._clock()

    def _has_news(self) -> bool:
        now = (self._backlog.settled_upto(), self._breaker.failures)
        return bool(self._delivered or self._error) or now != self._saved or self._reader.overfull

    async def _save(self) -> bool:
        """Whether it is still ours, and as it was. Whatever goes wrong here ends the run: what is stored holds."""
        now = self._clock()
        stored, taken = self._backlog.to_store(), self._backlog.to_drop()
        upto, failures = self._backlog.settled_upto(), self._breaker.failures
        delivered, self._delivered = self._delivered, 0
        error, self._error = self._error, None
        progress = Progress(
            upto, delivered, failures, error, [_put_off(one, now) for one in stored], [one.event.key for one in taken]
        )
        async with self._connections.acquire(Part.DUTIES) as conn:
            ours = await store.save_progress(conn, self._me, self.working, progress)
        self._instruments.webhook_deliveries(DeliveryResult.DELIVERED, delivered)
        self._saved, self._saved_at = (upto, failures), now
        self._reader.make_room()
        return ours

    async def _rest(self) -> None:
        """Until there is something to do; at most a moment, since time passes by itself."""
        due = self._backlog.next_due()
        wait_s = _REST_S if due is None else min(_REST_S, max(0.01, due - self._clock()))
        if self._breaker.wait_s():
            wait_s = min(_REST_S, max(0.01, self._breaker.wait_s()))
        if self._has_news():
            wait_s = min(wait_s, max(0.01, self._until_saving_s()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        self._wake.clear()

    async def _land(self, wait_s: float) -> None:
        """No attempt is under way afterwards."""
        self._stopping = True
        attempts = list(self._attempts)
        if attempts and wait_s:
            await asyncio.wait(attempts, timeout=wait_s)
        for one in attempts:
            one.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    async def _end(self) -> None:
        if self._has_news():
            await self._save()
        async with self._connections.acquire(Part.DUTIES) as conn:
            if self._gone:
                await store.disable_gone(conn, self._me, self.working)
                log.warning("webhook is gone, disabled", **self._named())
            await store.release(conn, self._me, self.working)

    def _named(self) -> dict[str, object]:
        return {"tenant": self.working.tenant, "webhook": self.working.webhook_no}


def _put_off(entry: Entry, now: float) -> PutOff:
    wait_s = None if entry.due == inf else max(0.0, entry.due - now) if entry.due else 0.0
    event = entry.event
    return PutOff(event.key, event.cursor.position, event.lead_id, entry.attempts, wait_s, entry.error, dead=entry.dead)

"""The service that sends: one of all instances to each channel, one message at a time, in their order."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import NamedTuple

import msgspec

from ops.notify.channels import Channel
from ops.notify.look import encoded
from ops.notify.message import Message, joined
from ops.notify.pace import GiveUp, Join, Rest, Send, Waiting, backoff_s, next_step, remembered, windows
from ops.notify.robots import Outcome
from ops.notify.transport import Transport
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import NotifySettings
from router.store import notify as store
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.notify import NewMessage, Queued, Taken
from router.store.statements import Connection
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger
from router.telemetry.notify_instruments import NotifyResult

log = get_logger(__name__)

_ENDING_S = 2.5
# Beyond the time of an attempt: what came of it must be written while the channel is still ours.
_SETTLING_S = 5.0


class Claimed(NamedTuple):
    """A message that is sent now, and how many attempts of its channel failed in a row before."""

    queued: Queued
    failures: int


class NotifyService(Periodic):
    """`me` is a number that no other process has. A channel is sent to by the process whose number stands in its row;
    others take over from one that crashed when its time is over. `ids` makes ids for summaries.
    """

    name = "notify"
    failing = "cannot send notifications"

    def __init__(
        self,
        connections: Connections,
        settings: NotifySettings,
        channels: Sequence[Channel],
        instruments: Instruments,
        me: int,
        random: Callable[[], float],
        ids: Callable[[], str],
    ) -> None:
        self.interval_s = settings.poll_interval_s
        self._connections = connections
        self._channels = {one.name: one for one in channels}
        self._instruments = instruments
        self._me = me
        self._random = random
        self._ids = ids
        self._timeout_s = settings.timeout_s
        self._lease_s = max(settings.lease_s, settings.timeout_s + _SETTLING_S)
        self._transport: Transport | None = None
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._stopping = False

    async def begin(self) -> None:
        self._transport, self._stopping = Transport(self._timeout_s), False

    async def once(self, life: Lifeline) -> None:
        """Looks which channels have something to send, and lets each have its run: a slow one delays no other."""
        self._reap()
        async with self._connections.acquire(Part.DUTIES) as conn:
            work = await store.channels_with_work(conn, list(self._channels), self._me)
        for name in work:
            if name not in self._runs:
                run = self._run(self._channels[name])
                # It outlives the look, and its span.
                self._runs[name] = asyncio.create_task(run, name=f"notify {name}", context=Context())

    def _reap(self) -> None:
        """Removes runs that are over; reports why, if one failed."""
        for name, task in list(self._runs.items()):
            if not task.done():
                continue
            del self._runs[name]
            if not task.cancelled() and (error := task.exception()) is not None:
                passes = isinstance(error, (*TRANSIENT_ERRORS, TimeoutError))
                report = log.warning if passes else log.error
                report("sending broke off and begins anew", channel=name, error=f"{type(error).__name__}: {error}")

    async def end(self) -> None:
        """An attempt that is under way may end; whoever is next goes on at once."""
        self._stopping = True
        runs = list(self._runs.values())
        if runs:
            await asyncio.wait(runs, timeout=_ENDING_S)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        self._runs.clear()
        if self._transport is not None:
            await self._transport.close()
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            async with asyncio.timeout(1), self._connections.acquire(Part.DUTIES) as conn:
                await store.release(conn, self._me)

    async def _run(self, channel: Channel) -> None:
        """Sends until nothing is left, or the channel must rest."""
        assert self._transport is not None
        while not self._stopping:
            async with self._connections.acquire(Part.DUTIES) as conn:
                claimed = await claim(conn, channel, self._me, self._lease_s, self._timeout_s, self._ids)
            if claimed is None:
                return
            message = msgspec.json.decode(claimed.queued.body, type=Message)
            outcome = await self._transport.send(channel, message, claimed.queued.id)
            await self._settle(channel, claimed, outcome)
            if outcome.error is not None:
                return

    async def _settle(self, channel: Channel, claimed: Claimed, outcome: Outcome) -> None:
        self._count(channel, outcome)
        failures = claimed.failures + 1
        async with self._connections.acquire(Part.DUTIES) as conn:
            if outcome.error is None:
                await store.worked(conn, channel.name, claimed.queued.number)
            else:
                rest_s = max(outcome.rest_s, backoff_s(failures, self._random()))
                await store.failed(conn, channel.name, claimed.queued.number, outcome.error, rest_s)
        if outcome.error is None:
            if outcome.note:
                log.warning("message sent, but", channel=channel.name, id=claimed.queued.id, note=outcome.note)
            if claimed.failures:
                log.info("channel works again", channel=channel.name, failures=claimed.failures)
        else:
            report = log.warning if failures == 1 else log.debug
            report("message not sent", channel=channel.name, id=claimed.queued.id, error=outcome.error)

    def _count(self, channel: Channel, outcome: Outcome) -> None:
        result = NotifyResult.SENT if outcome.error is None else NotifyResult.FAILED
        self._instruments.notify.attempt(channel.kind, NotifyResult.THROTTLED if outcome.throttled else result)


async def claim(
    conn: Connection, channel: Channel, me: int, lease_s: float, timeout_s: float, ids: Callable[[], str]
) -> Claimed | None:
    """The next message of the channel, with the attempt noted that begins now; None = there is nothing to do now."""
    async with conn.transaction():
        taken = await store.take(conn, channel.name, me, lease_s)
        if taken is None or taken.rests_s > 0:
            return None
        while True:
            queue = await store.queue_of(conn, channel.name)
            limits = windows(channel.kind, timeout_s)
            waiting = [Waiting(one.number, one.made_at, one.attempts) for one in queue]
            step = next_step(waiting, taken.attempts, taken.failures, taken.now, limits)
            if step is None or isinstance(step, Rest):
                return None
            if isinstance(step, Send):
                await store.spend(conn, channel.name, remembered(taken.attempts, taken.now, limits))
                return Claimed(next(one for one in queue if one.number == step.number), taken.failures)
            await _tidy(conn, channel, queue, step, taken, ids)


async def _tidy(
    conn: Connection,
    channel: Channel,
    queue: Sequence[Queued],
    step: Join | GiveUp,
    taken: Taken,
    ids: Callable[[], str],
) -> None:
    if isinstance(step, GiveUp):
        log.warning("messages given up: too old", channel=channel.name, messages=len(step.numbers))
        await store.give_up(conn, channel.name, step.numbers)
        return
    parts = sorted((one for one in queue if one.number in step.numbers), key=lambda one: one.number)
    message = joined([msgspec.json.decode(one.body, type=Message) for one in parts])
    new = NewMessage(ids(), channel.name, encoded(message))
    await store.replace(conn, list(step.numbers), new, min(taken.now, *(one.made_at for one in parts)))

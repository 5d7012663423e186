"""The service that delivers: takes endpoints that no process delivers to, and runs one `Endpoint` for each."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial

from router.outbox.attempts import Answer
from router.outbox.endpoint import Endpoint
from router.outbox.event import Event
from router.outbox.feed import RuleNames
from router.outbox.sender import Sender, utc_now
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import WebhookSettings
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.parts import of_all
from router.store.statements import Connection
from router.store.webhooks import Working, take_working
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_ENDING_S = 3.5
_AWAY_WITHIN_S = 5.0


class WebhooksService(Periodic):
    """`me` is a number that no other process has. An endpoint is delivered to by one process at a time: by the one
    whose number stands in its row, as long as it renews that (`lease_s`). Others take over from one that crashed.
    """

    name = "webhooks"
    failing = "cannot deliver to webhooks"

    def __init__(
        self,
        connections: Connections,
        settings: WebhookSettings,
        instruments: Instruments,
        me: int,
        random: Callable[[], float],
    ) -> None:
        self.interval_s = settings.poll_interval_s
        self._connections = connections
        self._settings = settings
        self._instruments = instruments
        self._me = me
        self._random = random
        self._names = RuleNames()
        self._sender: Sender | None = None
        self._runs: dict[tuple[int, int], tuple[Endpoint, asyncio.Task[None]]] = {}

    async def begin(self) -> None:
        allow = self._settings.private_addresses == "allowed"
        self._sender = Sender(self._settings.timeout_s, allow_private=allow)

    async def once(self, life: Lifeline) -> None:
        """Looks which endpoints are ours, and lets each have its run."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            # While one of several servers (Citus) is away, the endpoints of its tenants wait.
            found = (await of_all(conn, self._take, _AWAY_WITHIN_S)).found
        for working in found:
            self._run(working)
        ours = {working.key for working in found}
        for key, (endpoint, task) in list(self._runs.items()):
            if key not in ours:
                endpoint.stop()
                if self._ended(task):
                    del self._runs[key]

    async def _take(self, conn: Connection, among: Sequence[int] | None) -> list[Working]:
        return await take_working(conn, self._me, self._settings.lease_s, among)

    def _run(self, working: Working) -> None:
        endpoint, task = self._runs.get(working.key, (None, None))
        if endpoint is not None and task is not None and not self._ended(task):
            if endpoint.working.version != working.version:
                # It begins anew with what is stored once this run has ended.
                endpoint.stop()
            endpoint.update(working)
            return
        endpoint = Endpoint(
            working,
            self._me,
            self._connections,
            partial(self._send, self._sender),
            self._names,
            self._instruments,
            self._random,
            self._settings.concurrency,
        )
        # It outlives the look, and its span.
        run = asyncio.create_task(endpoint.run(), name=f"webhook {working.webhook_no}", context=Context())
        self._runs[working.key] = endpoint, run

    def _ended(self, task: "asyncio.Task[None]") -> bool:
        """Whether the run is over; reports why, if it failed."""
        if not task.done():
            return False
        if not task.cancelled() and (error := task.exception()) is not None:
            # What is stored of one endpoint stops no other, and not the process.
            passes = isinstance(error, (*TRANSIENT_ERRORS, TimeoutError))
            (log.warning if passes else log.error)(
                "deliveries broke off and begin anew", run=task.get_name(), error=f"{type(error).__name__}: {error}"
            )
        return True

    @staticmethod
    async def _send(sender: Sender | None, working: Working, event: Event, keys: Sequence[bytes]) -> Answer:
        assert sender is not None
        return await sender.send(working.url, event, keys, utc_now, allow_private=working.allow_private)

    async def end(self) -> None:
        """Ends all runs: what was delivered is written down, and the endpoints are left to others."""
        runs, self._runs = self._runs, {}
        tasks = [task for _, task in runs.values()]
        for endpoint, _ in runs.values():
            endpoint.stop()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=_ENDING_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._sender is not None:
                await self._sender.close()
                self._sender = None

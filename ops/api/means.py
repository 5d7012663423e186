"""What operations need beside the database: Redis, the sizes of batches, and connections for what takes long."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.http.operations import Call
from router.settings.model import WebhookSettings
from router.store.connections.connections import Part
from router.store.engines import Engines
from router.store.statements import Connection
from router.store.transactions import COMMAND_IDLE_MS, LOCK_TIMEOUT_S, with_lock_timeout

_WAIT_S = 600.0
_WEBHOOKS = WebhookSettings()


@dataclass(frozen=True, slots=True)
class Means:
    """`redis_url` None = there is no Redis; `sizes` are those of the routers, `webhooks` how events are sent. `engines`
    are the rosters and rules that were read for earlier requests: thousands of reps take longer to read than to judge.
    """

    redis_url: str | None = None
    sizes: BatchRequest = BatchRequest()
    webhooks: WebhookSettings = _WEBHOOKS
    engines: Engines = field(default_factory=lambda: Engines(verify=True), compare=False)

    @asynccontextmanager
    async def presence(self) -> AsyncIterator[Presence]:
        """How to learn who is present, for one request."""
        async with aclosing(Presence(self.redis_url, once=True)) as presence:
            yield presence

    @asynccontextmanager
    async def job_connection(self, call: Call) -> AsyncIterator[Connection]:
        """One of the service's connections for as long as a job takes: a quarter of them at most, whose line it stands
        in. Raises NoConnection. Between two statements a job may compute for two minutes.
        """
        async with call.connections.acquire(Part.JOBS, _WAIT_S) as conn:
            yield with_lock_timeout(conn, LOCK_TIMEOUT_S, COMMAND_IDLE_MS)

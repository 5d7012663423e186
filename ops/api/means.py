"""What operations need beside the database: Redis, the sizes of batches, and connections for what takes long."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.http.operations import Call
from router.store.statements import Connection


@dataclass(frozen=True, slots=True)
class Means:
    """`redis_url` None = there is no Redis; `sizes` are those of the routers; `connect` opens a connection of its own
    for a job (None = a job borrows one of the service's).
    """

    redis_url: str | None = None
    sizes: BatchRequest = BatchRequest()
    connect: Callable[[], AbstractAsyncContextManager[Connection]] | None = None

    @asynccontextmanager
    async def presence(self) -> AsyncIterator[Presence]:
        """How to learn who is present, for one request."""
        async with aclosing(Presence(self.redis_url, once=True)) as presence:
            yield presence

    def own_connection(self, call: Call) -> AbstractAsyncContextManager[Connection]:
        """A connection for what takes longer than a request may keep one of the service's."""
        return call.connection() if self.connect is None else self.connect()

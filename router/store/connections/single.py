"""One connection, for a command that needs no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.settings.model import ConnectionSettings
from router.store.connections.connect import APPLICATION_NAME, Announce, closed, open_session
from router.store.connections.pooler_console import console_of
from router.store.statements import Connection
from router.store.transactions import COMMAND_IDLE_MS, LOCK_TIMEOUT_S, with_lock_timeout


@asynccontextmanager
async def open_connection(
    url: str, settings: ConnectionSettings, announce: Announce | None = None
) -> AsyncIterator[Connection]:
    """It waits for no lock longer than LOCK_TIMEOUT_S. Raises OSError or asyncpg errors when it cannot be had.

    `announce` is given the tenants of which there is news, after each commit.
    """
    session = await open_session(
        url, APPLICATION_NAME, settings.connect_deadline_s, settings.tcp_user_timeout_ms, announce=announce
    )
    if session.pooled or settings.pooler_console_url is not None:
        session.pooler = console_of(url, settings)
    try:
        yield with_lock_timeout(session, LOCK_TIMEOUT_S, COMMAND_IDLE_MS)
    finally:
        await closed(session)

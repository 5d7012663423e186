"""Who waits for whom on all servers of a distributed database (Citus), as its own views have it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from router.store.connections.connect import APPLICATION_NAME
from router.store.errors import PostgresError
from router.store.statements import Connection, Row, load
from router.telemetry.masking import mask_statement

_SQL = load("elsewhere")
_DEADLINE_S = 5.0
_QUERY_READ, _QUERY_SHOWN = 4_000, 100


@dataclass(frozen=True, slots=True)
class Party:
    """One session of a wait. `pid` = Citus' global process id; `server` = which one it is connected to (host:port);
    `query` is as it may be shown, `statement` as much of it as was read, with its lines. `state` "" = it is hidden.
    """

    pid: int
    server: str
    application: str
    role: str
    state: str
    query: str
    since: datetime | None
    statement: str = field(default="", repr=False)

    @property
    def ours(self) -> bool:
        """Whether it is one of lead-router."""
        return self.application.startswith(APPLICATION_NAME)

    def named(self) -> str:
        """For people."""
        name = self.application or "a session without a name"
        return f"{name} (process {self.pid} on {self.server or '?'}, {self.role or '?'})"


@dataclass(frozen=True, slots=True)
class Wait:
    """`waiting` waits for a lock of `blocking`, on whichever server."""

    waiting: Party
    blocking: Party

    @property
    def ends_it(self) -> str:
        """The statement that ends the blocking session, for the coordinator."""
        return f"select pg_terminate_backend({self.blocking.pid})"


async def waits_elsewhere(conn: Connection) -> tuple[list[Wait], str | None]:
    """The waits, those of our sessions first, and why they could not be read (None = they could be).

    Only where the extension citus is there. A server that is away is left out.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S), conn.transaction():
            await _SQL.bounded.execute(conn)
            rows = await _SQL.waits.fetch(conn, shown=_QUERY_READ)
    except TimeoutError:
        return [], f"the servers did not answer within {_DEADLINE_S:g} s"
    except PostgresError as error:
        return [], f"{type(error).__name__}: {error}"
    waits = [Wait(_party(row, "waiting"), _party(row, "blocking")) for row in rows]
    return sorted(waits, key=lambda wait: not wait.waiting.ours), None


def _party(row: Row, which: str) -> Party:
    # Masked before it is cut: half a password is one too.
    statement = mask_statement(row[f"{which}_query"])
    query = " ".join(statement.split())
    return Party(
        pid=row[f"{which}_pid"],
        server=row[f"{which}_server"],
        application=row[f"{which}_application"],
        role=row[f"{which}_role"],
        state=row[f"{which}_state"],
        query=query if len(query) <= _QUERY_SHOWN else query[: _QUERY_SHOWN - 1] + "…",
        since=row[f"{which}_since"],
        statement=statement,
    )

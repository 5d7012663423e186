"""Who is connected to the server, session by session, and which of them may be ended when there are too many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.connections.connect import APPLICATION_NAME
from router.store.statements import Connection, load

_SQL = load("client_sessions")

IDLE = "idle"
_IN_TRANSACTION = "idle in transaction"


@dataclass(frozen=True, slots=True)
class ClientSession:
    """A session of some client. `state_s` = for how many seconds it has been in its `state`, since `state_at` (UTC).

    `ours` = of lead-router, whatever its role; `visible` False = what it does is hidden from us; `may_end` = our role
    has the right to end it.
    """

    pid: int
    application: str = ""
    role: str = ""
    database: str = ""
    client: str = ""
    state: str = ""
    state_s: float | None = None
    started_at: datetime | None = None
    state_at: datetime | None = None
    ours: bool = False
    visible: bool = True
    may_end: bool = True

    def idle_for(self, seconds: float, *, in_transaction: bool = False) -> bool:
        """Whether it has done nothing for so long; one in a transaction counts only when asked for."""
        idle = self.state == IDLE or (in_transaction and self.state.startswith(_IN_TRANSACTION))
        return idle and self.state_s is not None and self.state_s >= seconds


@dataclass(frozen=True, slots=True)
class Which:
    """Which sessions are meant: of one application (of one role, None = of any), idle for so many seconds."""

    application: str
    idle_s: float
    role: str | None = None
    in_transaction: bool = False

    def of(self, session: ClientSession) -> bool:
        """Whether it is of that application and role, and not ours."""
        return not session.ours and session.application == self.application and self.role in (None, session.role)


def chosen(sessions: Iterable[ClientSession], which: Which) -> list[ClientSession]:
    """The sessions that are meant and idle for so long, the longest idle first; never one of ours."""
    found = [
        one for one in sessions if which.of(one) and one.idle_for(which.idle_s, in_transaction=which.in_transaction)
    ]
    return sorted(found, key=lambda one: (-(one.state_s or 0.0), one.pid))


async def client_sessions(conn: Connection) -> Sequence[ClientSession]:
    """All sessions of clients but this one, whatever their database."""
    rows = await _SQL.client_sessions.fetch(conn, application=APPLICATION_NAME)
    return [ClientSession(**dict(row)) for row in rows]

"""What an error of the database means to the product: the one place that knows drivers and SQLSTATEs.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from enum import StrEnum

import asyncpg

from router.domain.clocks import ClockDisputed
from router.store.other_server import other_server

PostgresError = asyncpg.PostgresError
InterfaceError = asyncpg.InterfaceError
LockNotAvailable = asyncpg.LockNotAvailableError
UniqueViolation = asyncpg.UniqueViolationError
NotInPrerequisiteState = asyncpg.ObjectNotInPrerequisiteStateError
"""What it needs is not in the state for it: also every LockNotAvailable."""
LOCK_TIMEOUTS = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
"""A lock, or a statement that waits for one, took longer than it may."""


class NoConnection(Exception):
    """No connection became free before the deadline. What was asked for was not done; ask again."""


class ConnectionsInUse(NoConnection):
    """The server is there, and others had all the connections until the deadline: they come back soon."""


class NotCommitted(Exception):
    """A transaction was to be committed after one of its statements had failed: the server rolled it back."""


TRANSIENT_ERRORS = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(OSError, NoConnection, ClockDisputed),
)
"""What may go away by itself: what was under way was rolled back, and another attempt may succeed."""


STALE_PLANS = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""Somebody altered a table since the statement was prepared. The driver has forgotten it: the next attempt succeeds."""


class Trouble(StrEnum):
    """What an error calls for."""

    LOCK_CONFLICT = "lock_conflict"
    """Somebody else has locked what is needed, or conflicts with it: try again soon."""
    UNREACHABLE = "unreachable"
    """The server or the wire to it is away, or has no connection left: try again soon."""
    SERVER = "server"
    """The server is there and cannot work: disk, memory, read-only, shutting down. Try again soon."""
    CLOCKS = "clocks"
    """It is not known which of two clocks is right: try again soon, nothing is done meanwhile."""
    REFUSED_ROW = "refused_row"
    """The server will not have a row or value, whenever it is written."""
    DENIED = "denied"
    """The server refuses us: rights, password, name of the database. Somebody must change that."""
    FOR_A_PERSON = "for_a_person"
    """Trying again does not help before somebody changes something: the schema, a fault of ours."""


def refused(error: BaseException) -> bool:
    """Whether the server has no connection left for us: it, the role or the database has its maximum."""
    return isinstance(error, asyncpg.TooManyConnectionsError)


# Serialization failure, deadlock.
_CONFLICTS = ("40001", "40P01")

# SQLSTATE or the beginning of one; the first that fits decides.
_BY_STATE: tuple[tuple[str, Trouble], ...] = (
    ("57014", Trouble.LOCK_CONFLICT),
    ("55", Trouble.LOCK_CONFLICT),
    ("40", Trouble.LOCK_CONFLICT),
    ("53300", Trouble.UNREACHABLE),
    ("08", Trouble.UNREACHABLE),
    ("57P", Trouble.UNREACHABLE),
    ("53", Trouble.SERVER),
    ("58", Trouble.SERVER),
    ("25", Trouble.SERVER),
    ("22", Trouble.REFUSED_ROW),
    ("23", Trouble.REFUSED_ROW),
    ("54", Trouble.REFUSED_ROW),
    ("P0001", Trouble.REFUSED_ROW),
    ("28", Trouble.DENIED),
    ("3D", Trouble.DENIED),
    ("42501", Trouble.DENIED),
)


# PgBouncer says everything under one SQLSTATE: also that it waits for a server, which passes.
_POOLER_REFUSES = ("unsupported startup parameter", "no such user", "no such database")


def server_of(error: BaseException) -> str | None:
    """Which other server (host:port) that has rows of ours is away or cannot work; None = the error is not about one.

    Where tables are spread over several servers (Citus), it is one tenant's trouble, or that of some.
    """
    if not isinstance(error, asyncpg.PostgresError):
        return None
    context = getattr(error, "context", None)
    return other_server(error.sqlstate or "", error.args[0] if error.args else "", context or "")


def trouble_of(error: BaseException) -> Trouble:
    """What `error` calls for; whatever is unknown is for a person."""
    if isinstance(error, asyncpg.PostgresError):
        if server_of(error) is not None:
            return Trouble.UNREACHABLE
        state = error.sqlstate or ""
        if state == "08P01" and str(error).startswith(_POOLER_REFUSES):
            return Trouble.DENIED
        return next((trouble for begin, trouble in _BY_STATE if state.startswith(begin)), Trouble.FOR_A_PERSON)
    if isinstance(error, ClockDisputed):
        return Trouble.CLOCKS
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        # The driver itself cannot write the value, so the server never saw it.
        return Trouble.REFUSED_ROW
    of_wire = isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError | NoConnection)
    return Trouble.UNREACHABLE if of_wire else Trouble.FOR_A_PERSON


def lost_to_another(error: BaseException) -> bool:
    """Whether a transaction was rolled back since it conflicts with another one: done again, it may succeed."""
    # Not 40003: there it is not known whether it was done.
    return getattr(error, "sqlstate", None) in _CONFLICTS


def is_away(error: BaseException) -> bool:
    """Whether the database is away: the server or the wire is gone, it cannot work (disk, read-only, shutting down), or
    it gave no connection, or no answer, within the deadline.
    """
    return trouble_of(error) in (Trouble.UNREACHABLE, Trouble.SERVER)


def stores_later(error: BaseException) -> bool:
    """Whether the database would store the same later, so that leads go to the journal meanwhile: it is away, or others
    have locked what is needed for longer than a lead can wait.

    Not a row that it refuses, nor a missing right: those do not pass, and the journal would hide them.
    """
    return is_away(error) or trouble_of(error) is Trouble.LOCK_CONFLICT

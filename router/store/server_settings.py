"""What of the server's settings is not as it comes: recorded when it changes, since many a trouble began with one.

A session may have set something for itself: asyncpg switches `jit` off while it reads types, a pooler passes on what
its clients have set. So settings are read in a transaction that resets all of them, and is rolled back.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from router.store.statements import Connection, load

_SQL = load("server_settings")

# Of the settings that are free text, those that matter to us and hold no secret.
_TEXTS = ("timezone", "search_path", "default_tablespace", "datestyle", "listen_addresses", "synchronous_standby_names")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What is not as it comes, as one session sees it. `values` by name; those of roles and databases are called
    `role R: NAME`, `every role in this database: NAME`.

    Of some settings this session does not see what the server has: `hidden` are those that its role, its database or
    its client set, and those of a library are there once it is loaded: `present` are all that there are. Both in small
    letters.
    """

    values: Mapping[str, str]
    hidden: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()

    def is_known(self, name: str) -> bool:
        """Whether a name that is not among the values is as it comes, or not set; else it may be anything."""
        of, _, setting = name.lower().rpartition(": ")
        if "." in setting and setting not in self.present:
            return False
        return bool(of) or setting not in self.hidden

    def after(self, before: Mapping[str, str]) -> dict[str, str]:
        """The values, and of what is not known here those from before."""
        return {name: value for name, value in before.items() if not self.is_known(name)} | dict(self.values)


async def read_server_settings(conn: Connection) -> ServerSettings:
    """The same through whichever session, but for what it cannot see."""
    async with _as_it_began(conn):
        values = {row["name"]: row["value"] for row in await _SQL.in_force.fetch(conn, texts=list(_TEXTS))}
        seen = await _SQL.seen_here.fetch(conn)
    hidden = frozenset(row["name"] for row in seen if row["own"])
    return ServerSettings(values, hidden, frozenset(row["name"] for row in seen))


@dataclass(frozen=True, slots=True)
class SessionSetting:
    """A setting as a new session of our role in our database gets it; `role` = it is set for this role alone."""

    value: str
    unit: str
    role: str | None


async def read_session_settings(conn: Connection, names: Sequence[str]) -> dict[str, SessionSetting]:
    """By name."""
    async with _as_it_began(conn):
        rows = await _SQL.of_sessions.fetch(conn, names=list(names))
    return {
        row["name"]: SessionSetting(row["reset_val"], row["unit"], row["role"] if row["of_role"] else None)
        for row in rows
    }


class _Seen(Exception):
    """All was read: what was reset comes back."""


@asynccontextmanager
async def _as_it_began(conn: Connection) -> AsyncIterator[None]:
    """What the session has set for itself is gone meanwhile, and there again afterwards."""
    with suppress(_Seen):
        # It ends as others do: over a dead wire its rollback has a deadline.
        async with conn.transaction():
            await _SQL.forget_own.execute(conn)
            yield
            raise _Seen

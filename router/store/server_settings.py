"""What of the server's settings is not as it comes: recorded when it changes, since many a trouble began with one."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.store.statements import Connection, load

_SQL = load("server_settings")

# Of the settings that are free text, those that matter to us and hold no secret.
_TEXTS = ("timezone", "search_path", "default_tablespace", "datestyle", "listen_addresses", "synchronous_standby_names")


async def read_server_settings(conn: Connection) -> dict[str, str]:
    """By name; those of roles and databases are called `role R: NAME`, `every role in this database: NAME`."""
    return {row["name"]: row["value"] for row in await _SQL.in_force.fetch(conn, texts=list(_TEXTS))}


@dataclass(frozen=True, slots=True)
class SessionSetting:
    """A setting as a new session of our role in our database gets it; `role` = it is set for this role alone."""

    value: str
    unit: str
    role: str | None


async def read_session_settings(conn: Connection, names: Sequence[str]) -> dict[str, SessionSetting]:
    """By name."""
    return {
        row["name"]: SessionSetting(row["reset_val"], row["unit"], row["role"] if row["of_role"] else None)
        for row in await _SQL.of_sessions.fetch(conn, names=list(names))
    }

"""What PgBouncer says of the pools through which we reach the database."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from router.store.connections.connect import APPLICATION_NAME
from router.store.connections.pooler_console import Rows, ask_console

_LABEL = re.compile(rf"{APPLICATION_NAME} (\d{{1,4}}) (\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pool:
    """Of one database and user: `size` sessions of the server at most, of which `active` are lent now; `waiting`
    clients, the longest for `longest_wait_s` (seconds).
    """

    database: str
    user: str
    size: int
    active: int
    waiting: int
    longest_wait_s: float


@dataclass(frozen=True, slots=True)
class Pooler:
    """`pools` of our database; `clients` of all that it may have (`maximum_clients`); `instances` = the maximum of each
    of ours that comes through it, by name; `most_sessions` = what it may open for our database.
    """

    pools: Sequence[Pool]
    clients: int = 0
    maximum_clients: int = 0
    most_sessions: int = 0
    instances: Mapping[str, int] = field(default_factory=dict)

    @property
    def wanted(self) -> int:
        """What all instances that come through it may open."""
        return sum(self.instances.values())


async def read_pooler(console: str, database: str) -> Pooler:
    """Of the database as the pooler calls it. Raises NoConsole, in time."""
    pools, clients, databases, config = await ask_console(
        console, ("show pools", "show clients", "show databases", "show config")
    )
    return pooler_of(database, pools, clients, databases, config)


def pooler_of(database: str, pools: Rows, clients: Rows, databases: Rows, config: Rows) -> Pooler:
    """The same, of what `SHOW POOLS`, `CLIENTS`, `DATABASES` and `CONFIG` say."""
    settings = {row.get("key"): row.get("value") for row in config}
    ours = next((row for row in databases if row.get("name") == database), {})
    size = _number(ours.get("pool_size")) + _number(ours.get("reserve_pool"))
    seen = [_pool(row, size) for row in pools if row.get("database") == database]
    limits = [
        limit for limit in (_number(ours.get("max_connections")), _number(settings.get("max_db_connections"))) if limit
    ]
    return Pooler(
        seen,
        len(clients),
        _number(settings.get("max_client_conn")),
        min([size * max(1, len(seen)), *limits]),
        _instances(clients, database),
    )


def _pool(row: Mapping[str, str | None], size: int) -> Pool:
    return Pool(
        str(row.get("database")),
        str(row.get("user")),
        size,
        _number(row.get("sv_active")),
        _number(row.get("cl_waiting")),
        _number(row.get("maxwait")) + _number(row.get("maxwait_us")) / 1e6,
    )


def _instances(clients: Rows, database: str) -> dict[str, int]:
    """By the names of their sessions, which PgBouncer knows from 1.18 on."""
    found: dict[str, int] = {}
    for row in clients:
        known = _LABEL.fullmatch(row.get("application_name") or "")
        if known and row.get("database") == database:
            found[known[2]] = int(known[1])
    return found


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else 0

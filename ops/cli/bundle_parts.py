"""The parts of `lead-router bundle`: what each of them asks, and whom."""

import asyncio
import os
import platform
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from ops.blocking.document import document as blockers_document
from ops.bundle.collect import NotAsked, Part
from ops.bundle.flights import flight_document
from ops.bundle.log_tail import last_lines
from ops.bundle.notes import changes_without_notes, doctor_without_notes, status_without_notes
from ops.cli.doctor import cannot_be_used
from ops.doctor.diagnosis import LOCK_TIMEOUT_S, Diagnosis, diagnose, diagnose_locked, diagnose_without_database
from ops.documents.changes import document as changes_document
from ops.embedded.urls import Urls
from ops.status.document import document as status_document
from ops.status.status import status
from router.drain.presence import Presence
from router.settings.model import Settings, SettingsError, describe
from router.settings.read import sources
from router.store.blocking.activity import look
from router.store.blocking.judge import Limits, blockers
from router.store.change_log import read_changes
from router.store.changes import SERVICE
from router.store.connections.pooler_console import console_of
from router.store.connections.server_capacity import read_server_capacity
from router.store.connections.single import open_connection
from router.store.errors import LOCK_TIMEOUTS, InterfaceError, NoConnection, PostgresError
from router.store.flights import last_flights
from router.store.leads import database_clock
from router.store.processes import known_processes, own_version
from router.store.server_settings import read_server_settings
from router.store.statements import Connection
from router.store.tenants import Tenant, all_tenants
from router.store.transactions import with_lock_timeout

CHANGES_SINCE = timedelta(hours=24)
CHANGES_LIMIT = 5_000
FLIGHTS_OF_EACH = 5
FLIGHTS_LIMIT = 50

_AHEAD = timedelta(days=36_500)
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_HOW = (
    "logs are not kept by this program: it writes them to stderr, and whatever runs it collects them. Save them to a "
    "file (journalctl -u UNIT, docker logs CONTAINER, kubectl logs POD) and add --log FILE"
)


class NoDatabase(Exception):
    """The database could not be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whom to ask: the servers (None = they cannot be had), of which tenant, and the log files that were named.

    `problem` = why the database cannot be asked, `schema` = why not all of it. `notes` = what operators wrote stays
    in. `config_file` is what the settings were read from, `data_dir_given` = but for that one.
    """

    settings: Settings
    urls: Urls | None
    problem: str | None
    schema: str | None
    tenant: str | None
    logs: Sequence[Path]
    notes: bool
    config_file: Path | None = None
    data_dir_given: bool = False

    def parts(self) -> list[Part]:
        """All parts, in the order in which they are collected: first what changes most quickly."""
        asked: list[tuple[str, float, Callable[[], Awaitable[Any]]]] = [
            ("blockers", 20, self._blockers),
            ("doctor", 60, self._doctor),
            ("status", 60, self._status),
            ("processes", 15, self._processes),
            ("changes", 30, self._changes),
            ("flights", 30, self._flights),
            ("server_settings", 15, self._server_settings),
            ("settings", 10, self._settings),
            ("versions", 15, self._versions),
        ]
        logs = [self._log(number, path) for number, path in enumerate(self.logs, 1)]
        none = Part("logs", "logs", 1, self._no_logs)
        return [Part(name, f"{name}.json", limit_s, ask) for name, limit_s, ask in asked] + (logs or [none])

    def _log(self, number: int, path: Path) -> Part:
        kept = "".join(_NAME.findall(path.name)) or "log"
        return Part(f"log {path.name}", f"logs/{number}-{kept}.txt", 20, lambda: asyncio.to_thread(last_lines, path))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """One of its own for each part: what one breaks, the next does not meet. Raises NoDatabase."""
        if self.urls is None or self.problem is not None:
            raise NoDatabase(self.problem or "there is none")
        # Of an older schema, too: each part shows by itself whether it can be read.
        async with open_connection(self.urls.database, self.settings.connections) as conn:
            yield with_lock_timeout(conn, LOCK_TIMEOUT_S)

    async def _tenants(self, conn: Connection) -> list[Tenant]:
        return [one for one in await all_tenants(conn) if self.tenant in (None, one.name)]

    async def _doctor(self) -> Any:
        async with aclosing(Presence(self._redis, once=True)) as presence:
            shown = (await self._diagnosis(presence)).document()
        return shown if self.notes else doctor_without_notes(shown)

    async def _diagnosis(self, presence: Presence) -> Diagnosis:
        """As `doctor` has it, but that no end of a mute is recorded."""
        unusable = self.problem or self.schema
        if unusable is None:
            try:
                async with self._connection() as conn:
                    try:
                        return await diagnose(conn, presence, partial(datetime.now, UTC), self.tenant)
                    except LOCK_TIMEOUTS as error:
                        return await diagnose_locked(conn, error, datetime.now(UTC))
            except (OSError, NoConnection, PostgresError, InterfaceError) as error:
                unusable = cannot_be_used(error, self.settings)
        url = self.settings.database_url
        pooler = console_of(url, self.settings.connections) if url else None
        return await diagnose_without_database(unusable, presence, datetime.now(UTC), pooler)

    async def _status(self) -> Any:
        async with self._connection() as conn, aclosing(Presence(self._redis, once=True)) as presence:
            found = await status(conn, self.tenant, None, presence, host_clock=lambda: datetime.now(UTC))
        shown = status_document(found)
        return shown if self.notes else status_without_notes(shown)

    @property
    def _redis(self) -> str | None:
        return self.settings.redis_url if self.urls is None else self.urls.redis

    async def _blockers(self) -> Any:
        async with self._connection() as conn:
            seen = await look(conn, self.tenant, elsewhere=True)
        return blockers_document(blockers(seen, Limits()), seen)

    async def _changes(self) -> Any:
        async with self._connection() as conn:
            tenants = await self._tenants(conn)
            now = await database_clock(conn)
            ids = [SERVICE, *(one.tenant_id for one in tenants)]
            since, until = now - CHANGES_SINCE, now + _AHEAD
            found = await read_changes(conn, ids, since, until, CHANGES_LIMIT + 1)
        names = {one.tenant_id: one.name for one in tenants}
        more = len(found) > CHANGES_LIMIT
        shown = changes_document(found[:CHANGES_LIMIT][::-1], names, since, until, more=more)
        return shown if self.notes else changes_without_notes(shown)

    async def _flights(self) -> Any:
        async with self._connection() as conn:
            names = {one.tenant_id: one.name for one in await self._tenants(conn)}
            found = await last_flights(conn, list(names), FLIGHTS_OF_EACH, FLIGHTS_LIMIT)
        unreadable = sum(stored is None for _, stored in found)
        flights = [{"tenant": names[of], **flight_document(stored)} for of, stored in found if stored is not None]
        return {"of_each_tenant": FLIGHTS_OF_EACH, "limit": FLIGHTS_LIMIT, "unreadable": unreadable, "flights": flights}

    async def _processes(self) -> Any:
        async with self._connection() as conn:
            rows = await known_processes(conn)
        return [{key: _plain(value) for key, value in row.items()} for row in rows]

    async def _server_settings(self) -> Any:
        async with self._connection() as conn:
            values = {**(await read_server_settings(conn)).values, **(await read_server_capacity(conn)).settings()}
        return [{"setting": name, "value": value} for name, value in sorted(values.items())]

    async def _settings(self) -> Any:
        values = describe(self.settings)
        try:
            origins = sources(os.environ, self.config_file)
        except SettingsError as error:
            origins = dict.fromkeys(values, f"not known: {error}")
        if self.data_dir_given:
            origins["data_dir"] = "--data-dir"
        return [{"setting": name, "value": value, "source": origins.get(name)} for name, value in values.items()]

    async def _versions(self) -> Any:
        server: Mapping[str, Any] = {"server": None, "why": self.problem}
        if self.problem is None:
            async with self._connection() as conn:
                server = {"server": (await read_server_capacity(conn)).server_version}
        return {
            "lead-router": own_version(),
            "python": sys.version,
            "system": platform.platform(),
            "libraries": _libraries(),
            **server,
        }

    async def _no_logs(self) -> Any:
        raise NotAsked(_HOW)


def _libraries() -> dict[str, str | None]:
    """The versions of what this program needs to run."""
    names = sorted({re.split(r"[\s<>=!~\[;(]", one, maxsplit=1)[0] for one in requires("lead-router") or ()})
    return {name: _version(name) for name in names}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value

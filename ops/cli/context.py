"""What every command shares: settings, output, exit codes, and how it gets its servers."""

import asyncio
import errno
import io
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import asyncpg
import click

from ops.cli.screen import Screen
from ops.embedded.urls import ServersError, Urls
from router.drain.presence import Presence
from router.rules.document import InvalidFile
from router.runtime.garbage import rarely_collect
from router.settings.model import Settings, SettingsError
from router.store.blocking.blocked import who_blocks
from router.store.connections.connections import Part, open_connections
from router.store.errors import NoConnection
from router.store.patience import LOCK_TIMEOUT_S, patient
from router.store.statements import Connection
from router.telemetry.masking import mask_url

P = ParamSpec("P")

# The disk says no, not the database.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)
# SQLSTATE classes: name or password, no such database, locks and conflicts, read-only, resources, operator, disk.
_SAYS_NO = ("08", "25006", "28", "3D", "40", "42501", "53", "55", "57", "58")

EXIT_FOUND = 1
EXIT_CANNOT_RUN = 2


class CannotRun(click.ClickException):
    """The command could not be run (usage, configuration, no database): exit code 2."""

    exit_code = EXIT_CANNOT_RUN


class Found(click.ClickException):
    """The command ran and found or met a problem: exit code 1."""

    exit_code = EXIT_FOUND


@dataclass(frozen=True)
class Context:
    """`servers` opens the configured or the embedded servers, migrated, as long as the command needs them.

    `reread` reads the settings once more, from where they came (None = they came from nowhere). Raises SettingsError.
    """

    settings: Settings
    servers: Callable[[Settings], AbstractAsyncContextManager[Urls]]
    reread: Callable[[], Settings] | None = None

    def open(self) -> AbstractAsyncContextManager[Urls]:
        return self.servers(self.settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, for a command that needs no more; it waits for no lock longer than LOCK_TIMEOUT_S."""
        async with self.present() as (conn, _):
            yield conn

    @asynccontextmanager
    async def present(self) -> AsyncIterator[tuple[Connection, Presence]]:
        """One connection, and the way to hear who is present, for a command that judges the present state."""
        async with (
            self.open() as urls,
            open_connections(urls.database, self.settings.connections) as connections,
            connections.acquire(Part.CONSOLE) as conn,
        ):
            presence = Presence(urls.redis, once=True)
            try:
                yield patient(conn, LOCK_TIMEOUT_S), presence
            except click.ClickException as error:
                if not _met_a_lock(error):
                    raise
                raise type(error)(error.message + await _by_whom(conn)) from error
            except asyncpg.LockNotAvailableError as error:
                raise CannotRun(_trouble(error, self.settings) + await _by_whom(conn)) from error
            finally:
                await presence.close()


def _met_a_lock(error: BaseException | None) -> bool:
    """Whether a lock that was not to be had is what a command tells of."""
    while error is not None and not isinstance(error, asyncpg.LockNotAvailableError):
        error = error.__cause__
    return error is not None


async def _by_whom(conn: Connection) -> str:
    """Who has our tables locked, to be added to a message."""
    who = await who_blocks(conn)
    return f": {who}; see lead-router blockers" if who else "; lead-router blockers names whoever is in the way"


def console() -> Screen:
    """For people; goes to stdout, so never use it beside `print_json`."""
    return Screen()


def print_json(document: Any) -> None:
    """The one JSON document of `--json`."""
    ascii_only = "utf" not in (sys.stdout.encoding or "utf").lower()
    json.dump(document, sys.stdout, ensure_ascii=ascii_only, indent=2, default=str)
    sys.stdout.write("\n")


def json_option(command: Callable[P, Any]) -> Callable[P, Any]:
    """Adds `--json` as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def async_command(command: Callable[Concatenate[Context, P], Awaitable[int | None]]) -> Callable[P, None]:
    """Runs an async command with the Context first; its answer is the exit code (None = 0)."""

    @click.pass_obj
    @wraps(command)
    def run(context: Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> int | None:
            return await command(context, *args, **kwargs)

        rarely_collect()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its number; no name may end a command.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            code = asyncio.run(main())
        except (NoConnection, ServersError, SettingsError, InvalidFile) as error:
            raise CannotRun(str(error)) from error
        except BrokenPipeError:
            # Whoever read our output has enough (`| head`); click ends quietly.
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise CannotRun(_trouble(error, context.settings)) from error
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(code or 0)

    return run


def _trouble(error: OSError | asyncpg.PostgresError | asyncpg.InterfaceError, settings: Settings) -> str:
    """What stands in the way of a command, in words. Raises an error that only a mistake of ours explains."""
    where = server_named(settings)
    if isinstance(error, OSError):
        if error.filename is not None or error.errno in _DISK:
            return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
        return f"no connection to the database ({where}): {str(error) or type(error).__name__}"
    if isinstance(error, asyncpg.PostgresConnectionError | asyncpg.CannotConnectNowError | asyncpg.InterfaceError):
        return f"no connection to the database ({where}): {error}"
    if (error.sqlstate or "").startswith(_SAYS_NO):
        return f"the database ({where}) refuses: {error}; what was not confirmed was not done"
    raise error


def server_named(settings: Settings) -> str:
    """Where the database is, without its password."""
    if settings.database_url is None:
        return f"embedded, in {settings.data_dir}"
    return f"LEAD_ROUTER_DATABASE_URL is {mask_url(settings.database_url)}"

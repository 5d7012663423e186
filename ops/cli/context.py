"""What every command shares: settings, output, exit codes, and how it gets its servers."""

import asyncio
import errno
import io
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Concatenate, ParamSpec

import click
import msgspec

from ops.embedded.servers import database_shown, ensure_schema, open_migrated, open_unmigrated
from ops.embedded.urls import ServersError, Urls
from router.domain.clocks import ClockDisputed
from router.rules.problems import InvalidFile
from router.runtime.garbage import tune_gc
from router.settings.model import Settings, SettingsError
from router.settings.read import read_settings, settings_file
from router.store.errors import (
    InterfaceError,
    LockNotAvailable,
    NoConnection,
    PostgresError,
    Trouble,
    trouble_of,
)
from router.store.statements import Connection
from router.telemetry.logs import configure_logs_later

if TYPE_CHECKING:
    from ops.cli.screen import Screen
    from router.drain.presence import Presence

P = ParamSpec("P")

# The disk says no, not the database.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)

EXIT_FOUND = 1
EXIT_CANNOT_RUN = 2


class _Spoken(click.ClickException):
    """An error that people are told in their language, as far as it is translated."""

    def show(self, file: IO[Any] | None = None) -> None:
        from ops.cli.language import error_words, say  # noqa: PLC0415 - most commands end well

        language = say()
        words = error_words(self.format_message(), language)
        click.echo(language.gettext("Error: {message}").format(message=words), file=file or sys.stderr)


class CannotRun(_Spoken):
    """The command could not be run (usage, configuration, no database): exit code 2."""

    exit_code = EXIT_CANNOT_RUN


class Found(_Spoken):
    """The command ran and found or met a problem: exit code 1."""

    exit_code = EXIT_FOUND


@dataclass(frozen=True)
class Context:
    """`servers` opens the configured or the embedded servers as long as the command needs them; `creating` does so,
    too, and makes an embedded database where there is none (None = as `servers`).

    `reread` reads the settings once more, from where they came (None = they came from nowhere). Raises SettingsError.
    """

    settings: Settings
    servers: Callable[[Settings], AbstractAsyncContextManager[Urls]]
    reread: Callable[[], Settings] | None = None
    creating: Callable[[Settings], AbstractAsyncContextManager[Urls]] | None = None

    @property
    def database(self) -> str:
        """Which database the command works on, without its password."""
        return database_shown(self.settings)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Urls]:
        """Servers with an up-to-date schema, for a command that needs several connections."""
        async with self.servers(self.settings) as urls:
            await ensure_schema(self.settings, urls)
            yield urls

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, for a command that needs no more; it waits for no lock longer than LOCK_TIMEOUT_S."""
        async with self.connected() as (conn, _):
            yield conn

    @asynccontextmanager
    async def creating_connection(self) -> AsyncIterator[Connection]:
        """The same, for a command that may be the first of all: an embedded database is made where there is none."""
        async with replace(self, servers=self.creating or self.servers).connection() as conn:
            yield conn

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Connection, Urls]]:
        """The same, and where the servers are."""
        hinted: set[int] = set()
        async with self.servers(self.settings) as urls, open_migrated(self.settings, urls, hinted.update) as conn:
            try:
                yield conn, urls
                if hinted and urls.redis and getattr(conn, "pooled", False):
                    await _hint(urls.redis, hinted)
            except click.ClickException as error:
                if not _met_a_lock(error):
                    raise
                raise type(error)(error.message + await _by_whom(conn)) from error
            except LockNotAvailable as error:
                raise CannotRun(_in_words(error, self.settings) + await _by_whom(conn)) from error

    @asynccontextmanager
    async def present(self) -> AsyncIterator[tuple[Connection, "Presence"]]:
        """One connection, and how to learn who is present, for a command that judges the present state."""
        from router.drain.presence import Presence  # noqa: PLC0415 - most commands do not ask

        async with self.connected() as (conn, urls), aclosing(Presence(urls.redis, once=True)) as presence:
            yield conn, presence


async def _hint(redis_url: str, tenants: set[int]) -> None:
    """NOTIFY does not reach routers behind a pooler; where Redis does not answer, their poll finds the news."""
    from router.drain.redis_hints import HintsSender  # noqa: PLC0415 - only behind a pooler

    async with aclosing(HintsSender(redis_url)) as sender:
        sender.send(tenants)


def _met_a_lock(error: BaseException | None) -> bool:
    """Whether the command failed because it could not get a lock."""
    while error is not None and not isinstance(error, LockNotAvailable):
        error = error.__cause__
    return error is not None


async def _by_whom(conn: Connection) -> str:
    """Who has our tables locked, to be added to a message."""
    from router.store.blocking.blocked import who_blocks  # noqa: PLC0415 - rarely asked

    who = await who_blocks(conn)
    return f": {who}; see lead-router blockers" if who else "; lead-router blockers shows blocking sessions"


def start(data_dir: Path | None, config_file: Path | None) -> Context:
    """What a command starts with: settings from file, environment and options, and the logs. Raises SettingsError."""
    file = config_file or settings_file(os.environ)

    def read(chosen: Path | None) -> Settings:
        settings = read_settings(os.environ, chosen)
        return settings if data_dir is None else msgspec.structs.replace(settings, data_dir=data_dir)

    settings = read(file)
    configure_logs_later(settings.log.level, settings.log.format, f"{socket.gethostname()}-{os.getpid()}")
    # A file that was there and is gone is a mistake, not the wish for the defaults.
    creating = partial(open_unmigrated, create=True, tell=tell)
    return Context(settings, open_unmigrated, lambda: read(file or settings_file(os.environ)), creating)


def tell(words: str) -> None:
    """What takes a while, on stderr."""
    click.echo(words, err=True)


def console() -> "Screen":
    """For people; goes to stdout, so never use it beside `print_json`."""
    from ops.cli.screen import Screen  # noqa: PLC0415 - `--json` needs none

    return Screen()


def print_json(document: Any) -> None:
    """The one JSON document of `--json`."""
    if sys.stdout is None:
        raise CannotRun("stdout is closed, so there is nowhere to write the document to")
    ascii_only = "utf" not in (sys.stdout.encoding or "utf").lower()
    json.dump(document, sys.stdout, ensure_ascii=ascii_only, indent=2, default=str)
    sys.stdout.write("\n")


def json_option(command: Callable[P, Any]) -> Callable[P, Any]:
    """Adds `--json` as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(command)


def async_command(command: Callable[Concatenate[Context, P], Awaitable[int | None]]) -> Callable[P, None]:
    """Runs an async command with the Context first; it returns the exit code (None = 0)."""

    @click.pass_context
    @wraps(command)
    def run(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            context = ctx.obj or start(**ctx.find_root().params)
        except SettingsError as error:
            raise CannotRun(str(error)) from error

        async def main() -> int | None:
            return await command(context, *args, **kwargs)

        tune_gc()
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its number; no name may end a command.
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            code = asyncio.run(main())
        except (NoConnection, ClockDisputed, ServersError, SettingsError, InvalidFile) as error:
            raise CannotRun(str(error)) from error
        except BrokenPipeError:
            # Whoever read our output has enough (`| head`); click ends quietly.
            raise
        except UnicodeEncodeError as error:
            raise CannotRun(_not_text(error)) from error
        except (OSError, PostgresError, InterfaceError) as error:
            raise CannotRun(_in_words(error, context.settings)) from error
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(code or 0)

    return run


def _in_words(error: OSError | PostgresError | InterfaceError, settings: Settings) -> str:
    """Why the command could not go on. Raises an error that only a mistake of ours explains."""
    where, trouble = server_named(settings), trouble_of(error)
    if isinstance(error, IsADirectoryError) and error.filename is not None:
        return str(cannot_read(error.filename, error))
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
        return f"{error.filename or 'what was to be written'}: {error.strerror}"
    if trouble is Trouble.UNREACHABLE:
        return f"no connection to the database ({where}): {str(error) or type(error).__name__}"
    if trouble in (Trouble.LOCK_CONFLICT, Trouble.SERVER, Trouble.DENIED):
        return f"database error ({where}): {error}; {_changed()}"
    if isinstance(error.__cause__, UnicodeEncodeError):
        return f"{_not_text(error.__cause__)}; nothing was changed"
    if trouble is Trouble.REFUSED_ROW:
        return f"the database cannot take a value: {error}; nothing was changed"
    raise error


def _changed() -> str:
    """What the command has changed before it failed."""
    from ops.cli.reading import only_reads  # noqa: PLC0415 - most commands end well

    reads = only_reads(click.get_current_context(silent=True))
    return "nothing was changed" if reads else "only what was confirmed was changed"


def cannot_read(file: object, error: OSError) -> CannotRun:
    """Why a file that was named cannot be read."""
    why = "is a folder; name the file" if isinstance(error, IsADirectoryError) else error.strerror or str(error)
    return CannotRun(f"{file}: {why}")


def _not_text(error: UnicodeEncodeError) -> str:
    """Bytes of the command line that are no text in its encoding are shown by their numbers."""
    return f"not valid text: {error.object!a}; look at the encoding of the terminal or the script"


def server_named(settings: Settings) -> str:
    """Where the database is, without its password."""
    shown = database_shown(settings)
    return shown if settings.database_url is None else f"LEAD_ROUTER_DATABASE_URL is {shown}"

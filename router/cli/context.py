"""What every command shares: settings, output, exit codes, and how it gets its servers."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import asyncpg
import click

from router.cli.screen import Screen
from router.settings import Settings, SettingsError
from router.store.connections import NoConnection, Part, open_connections
from router.store.statements import Connection

P = ParamSpec("P")

EXIT_FOUND = 1
EXIT_CANNOT_RUN = 2


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the servers are; None = without Redis."""

    database: str
    redis: str | None


class CannotRun(click.ClickException):
    """The command could not be run (usage, configuration, no database): exit code 2."""

    exit_code = EXIT_CANNOT_RUN


class Found(click.ClickException):
    """The command ran and found or met a problem: exit code 1."""

    exit_code = EXIT_FOUND


@dataclass(frozen=True)
class Context:
    """`servers` opens the configured or the embedded servers, migrated, as long as the command needs them."""

    settings: Settings
    servers: Callable[[Settings], AbstractAsyncContextManager[Urls]]

    def open(self) -> AbstractAsyncContextManager[Urls]:
        return self.servers(self.settings)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, for a command that needs no more."""
        async with (
            self.open() as urls,
            open_connections(urls.database, self.settings.connections) as connections,
            connections.acquire(Part.CONSOLE) as conn,
        ):
            yield conn


def console() -> Screen:
    """For people; goes to stdout, so never use it beside `print_json`."""
    return Screen()


def print_json(document: Any) -> None:
    """The one JSON document of `--json`."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=str)
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

        try:
            code = asyncio.run(main())
        except (NoConnection, SettingsError) as error:
            raise CannotRun(str(error)) from error
        except BrokenPipeError:
            # Whoever read our output has enough (`| head`); click ends quietly.
            raise
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            raise CannotRun(f"no connection to the database: {error}") from error
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(code or 0)

    return run

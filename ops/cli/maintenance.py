"""`lead-router maintenance`: commands of others that clean beside the drain, each in its turn."""

import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, json_option, print_json
from ops.cli.options import filter_option, span
from ops.embedded.servers import ensure_schema
from ops.maintenance.command import ALIVE_FOR_S, End, Outcome, run_command
from ops.maintenance.waiting import wait_for_turn
from router.settings.read import PREFIX
from router.store.connections.single import open_connection
from router.store.errors import TRANSIENT_ERRORS
from router.store.maintenance import Answer, NoFunctions, give_back, keep_turn, take_turn
from router.store.statements import Connection

_ALIVE_FOR = timedelta(seconds=ALIVE_FOR_S)
_LONGEST = timedelta(days=1)
_ENDED = {
    End.DEADLINE: "its time was over: the command was ended",
    End.TURN_LOST: "the turn was lost, since no sign of life arrived in time: the command was ended",
}


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is asked for, and the context to ask in. `tenant` None = all tenants."""

    context: Context
    url: str
    tenant: str | None
    rows: int
    run_for: timedelta
    name: str

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One for each question: none is held while the command runs, and a server that was restarted is no trouble."""
        async with open_connection(self.url, self.context.settings.connections) as conn:
            yield conn

    async def ask(self, rows: int | None = None) -> Answer:
        """Raises CannotRun where asking again does not help."""
        try:
            async with self.connection() as conn:
                wanted = self.rows if rows is None else rows
                return await take_turn(conn, self.tenant, wanted, self.run_for, _ALIVE_FOR, self.name)
        except (LookupError, NoFunctions) as error:
            raise CannotRun(str(error)) from error

    async def keep(self, turn: int) -> bool:
        async with self.connection() as conn:
            return await keep_turn(conn, self.tenant, turn, _ALIVE_FOR)

    async def give_back(self, turn: int) -> None:
        """Where the database is away, it lapses by itself."""
        try:
            async with self.connection() as conn:
                await give_back(conn, self.tenant, turn)
        except TRANSIENT_ERRORS as error:
            _say(f"the turn could not be given back ({error}); it lapses within {ALIVE_FOR_S:.0f} s")


@click.command(context_settings={"allow_interspersed_args": False})
@filter_option("Whose rows are cleaned (default: those of all tenants).", "tenant")
@click.option(
    "--for",
    "run_for",
    default="10m",
    show_default=True,
    metavar="TIME",
    callback=span,
    help="How long the command may run; then it is ended.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1, max=10**12),
    default=100_000,
    show_default=True,
    metavar="N",
    help="How many rows it may delete.",
)
@click.option(
    "--wait",
    default="30m",
    show_default=True,
    metavar="TIME",
    callback=span,
    help="How long to wait for a turn.",
)
@click.option("--name", default="", metavar="TEXT", help="What to call it (default: the name of the command).")
@click.option("--dry-run", is_flag=True, help="Only say whether there would be a turn now, and what would run.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@json_option
@async_command
async def run(
    context: Context,
    *,
    tenant: str | None,
    run_for: timedelta,
    rows: int,
    wait: timedelta,
    name: str,
    dry_run: bool,
    command: tuple[str, ...],
    as_json: bool,
) -> int:
    """Wait for a turn to clean, run COMMAND in it, and give the turn back.

    COMMAND finds LEAD_ROUTER_MAINTENANCE_TENANT, _TURN, _ROWS (its budget), _UNTIL (the deadline, UTC) and _SECONDS
    in its environment. Signals are passed on. At the deadline it gets SIGTERM, 10 s later SIGKILL.
    The exit code is that of COMMAND; 124 = it was ended at its deadline, 1 = there was no turn, 2 = it could not run.

    \b
    Example:
      lead-router maintenance run --tenant acme --for 10m --rows 200000 --wait 30m -- psql -f cleanup.sql
    """
    if run_for > _LONGEST:
        raise CannotRun(f"--for: the longest turn is {_LONGEST.days * 24}h")
    if shutil.which(command[0]) is None:
        raise CannotRun(f"{command[0]}: no such command")
    async with context.servers(context.settings) as urls:
        if context.settings.database_url is None:
            await ensure_schema(context.settings, urls)
        turn = _Turn(context, urls.database, tenant, rows, run_for, name.strip() or Path(command[0]).name)
        return await (_tried(turn, command, as_json) if dry_run else _run(turn, command, wait, as_json))


async def _tried(turn: _Turn, command: tuple[str, ...], as_json: bool) -> int:
    answer = await turn.ask(rows=0)
    free = not answer.reason
    words = "there would be a turn now" if free else f"not now: {answer.reason}"
    if as_json:
        print_json(_document(turn, answer) | {"dry_run": True, "free": free})
    else:
        click.echo(f"{words}; would run: {shlex.join(command)}; nothing was run (--dry-run)")
    return 0 if free else EXIT_FOUND


async def _run(turn: _Turn, command: tuple[str, ...], wait: timedelta, as_json: bool) -> int:
    begin = monotonic()
    answer = await wait_for_turn(turn.ask, wait, _say)
    waited_s = round(monotonic() - begin, 1)
    document = _document(turn, answer) | {"dry_run": False, "waited_s": waited_s, "ran": False}
    if answer.turn is None:
        if as_json:
            print_json(document)
            return EXIT_FOUND
        raise Found(f"no turn within {waited_s:,.0f} s, the command was not run: {answer.reason}")
    begin = monotonic()
    outcome = await _in_turn(turn, answer, command, as_json)
    if outcome.end in _ENDED:
        _say(_ENDED[outcome.end])
    if as_json:
        ran = {"ran": True, "ran_s": round(monotonic() - begin, 1), "ended": outcome.end, "exit_code": outcome.code}
        print_json(document | ran)
    return outcome.code


async def _in_turn(turn: _Turn, answer: Answer, command: tuple[str, ...], as_json: bool) -> Outcome:
    assert answer.turn is not None
    seconds = turn.run_for.total_seconds()
    try:
        return await run_command(
            command,
            _variables(turn, answer),
            seconds,
            partial(turn.keep, answer.turn),
            output_to_stderr=as_json,
        )
    except OSError as error:
        raise CannotRun(f"{command[0]}: {error.strerror or error}") from error
    finally:
        await turn.give_back(answer.turn)


def _variables(turn: _Turn, answer: Answer) -> dict[str, str]:
    assert answer.until is not None
    values = {
        "TENANT": turn.tenant or "",
        "TURN": str(answer.turn),
        "ROWS": str(answer.rows),
        "UNTIL": answer.until.astimezone(UTC).isoformat(timespec="seconds"),
        "SECONDS": f"{turn.run_for.total_seconds():.0f}",
    }
    return {f"{PREFIX}MAINTENANCE_{name}": value for name, value in values.items()}


def _document(turn: _Turn, answer: Answer) -> dict[str, Any]:
    until = None if answer.until is None else answer.until.astimezone(UTC).isoformat()
    about = {"tenant": turn.tenant, "name": turn.name}
    return about | asdict(answer) | {"until": until, "reason": answer.reason or None}


def _say(words: str) -> None:
    click.echo(words, err=True)

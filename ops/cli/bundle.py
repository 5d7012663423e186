"""`lead-router bundle`: one redacted archive for an incident."""

import json
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import click

from ops.bundle.archive import usual_name, write_archive
from ops.bundle.collect import Collected, collect
from ops.bundle.redact import Redactor, notes_in, secrets_in
from ops.cli.bundle_parts import Source
from ops.cli.context import CannotRun, Context, async_command, console, json_option, print_json, server_named
from ops.cli.options import filter_option, require_tenant
from ops.embedded.servers import ensure_schema
from ops.embedded.urls import ServersError, Urls
from router.domain.phrases import count, listed
from router.settings.read import settings_file
from router.store.connections.single import open_connection
from router.store.errors import LOCK_TIMEOUTS, InterfaceError, NoConnection, PostgresError, Trouble, trouble_of
from router.store.processes import own_version
from router.store.statements import Connection
from router.telemetry.masking import mask_passwords

MANIFEST = "manifest.json"
_TAKEN_OUT = (
    "passwords, keys, e-mail addresses, phone numbers, values in statements and in error messages of the database, the "
    "values of settings that are called like secrets"
)
_NOTES = "what operators wrote as the reason of a change (--with-notes leaves it in)"
_LOGS = "logs of other programs are masked by the same patterns only: read them before you send them"


def _new(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """A file that is not there yet, in a folder that can be written: a callback of options."""
    if path is None:
        return None
    if os.path.lexists(path):
        raise click.BadParameter(f"{path} is there already; it is never overwritten, name another file")
    if not path.parent.is_dir():
        raise click.BadParameter(f"the folder {path.parent} does not exist")
    return path


def _logs(_ctx: click.Context, _param: click.Parameter, paths: Sequence[Path]) -> Sequence[Path]:
    """Plain files: a pipe or a device may never end."""
    for path in paths:
        if not path.is_file():
            raise click.BadParameter(f"{path} is not a file")
    return paths


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    callback=_new,
    metavar="FILE",
    help="The archive (default: lead-router-bundle-TIME.tar.gz here). Never overwritten.",
)
@filter_option("Only this tenant, and the service (default: all).")
@click.option(
    "--log",
    "logs",
    multiple=True,
    type=click.Path(exists=True, readable=True, path_type=Path),
    callback=_logs,
    metavar="FILE",
    help="Add the last 5,000 lines of this log file, redacted; may be given several times.",
)
@click.option("--with-notes", "notes", is_flag=True, help="Leave in what operators wrote as reasons of changes.")
@json_option
@async_command
async def bundle(
    context: Context, output: Path | None, tenant_name: str | None, logs: Sequence[Path], notes: bool, as_json: bool
) -> None:
    """Write one redacted archive for an incident: findings, status, blockers, changes, settings, versions, decisions.

    Passwords and data about people are taken out. What could not be collected is named in its manifest, with the
    reason; the database may be down. Changes nothing. Exit code 2 = nothing could be written.

    \b
    Example:
      lead-router bundle
      lead-router bundle --tenant acme --log /var/log/lead-router.log --output incident-42.tar.gz
    """
    at = datetime.now(UTC)
    path = Path(usual_name(at)) if output is None else output
    _check_folder(path)
    async with _source(context, tenant_name, logs, notes=notes) as source:
        found = await collect(source.parts(), _report)
    redactor = _redactor(context, source, found)
    manifest = redactor.document(_manifest(found, at, tenant_name, notes=notes))
    files = {MANIFEST: _json(manifest), **_files(found, redactor)}
    size = _write(path, files, at)
    _warn(found)
    if as_json:
        print_json({"file": str(path), "bytes": size, **manifest})
    else:
        hint = _LOGS if logs else f"see its {MANIFEST}"
        console().print(f"{path}: {size:,} bytes, {count(len(files), 'file')}; {hint}")


def _redactor(context: Context, source: Source, found: Sequence[Collected]) -> Redactor:
    """It knows the passwords of all servers, and what operators wrote in what was collected."""
    own = (source.urls.database, source.urls.redis) if source.urls else ()
    urls = (context.settings.database_url, context.settings.redis_url, *own)
    written = None if source.notes else [note for one in found for note in notes_in(one.content)]
    return Redactor(secrets_in(urls, os.environ), written)


def _write(path: Path, files: Mapping[str, bytes], at: datetime) -> int:
    """Returns the size in bytes. Raises CannotRun."""
    try:
        return write_archive(path, files, at)
    except FileExistsError as error:
        raise CannotRun(f"{path} is there already; it is never overwritten: give another file with --output") from error
    except OSError as error:
        raise CannotRun(f"cannot write {path}: {error.strerror}; nothing was written") from error


def _check_folder(path: Path) -> None:
    """Raises CannotRun when no file can be made there: before anything is collected, and leaving none behind."""
    try:
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise CannotRun(
            f"cannot write in {path.parent.absolute()}: {error.strerror}; nothing was collected: "
            f"name another file, as --output {Path('/tmp') / path.name}"
        ) from error


@asynccontextmanager
async def _source(context: Context, tenant: str | None, logs: Sequence[Path], *, notes: bool) -> AsyncIterator[Source]:
    """Whom to ask. Raises CannotRun when the database knows no such tenant."""
    options = click.get_current_context().find_root().params
    config = options.get("config_file") or settings_file(os.environ)
    async with AsyncExitStack() as opened:
        urls = problem = schema = None
        try:
            urls = await opened.enter_async_context(context.servers(context.settings))
            schema = await _ask(context, urls, tenant)
        except (OSError, NoConnection, PostgresError, InterfaceError, ServersError) as error:
            problem = _why(error, context)
        if problem or schema:
            click.echo(f"warning: {problem or schema}", err=True)
        given = options.get("data_dir") is not None
        yield Source(context.settings, urls, problem, schema, tenant, logs, notes, config, given)


async def _ask(context: Context, urls: Urls, tenant: str | None) -> str | None:
    """Whether the database answers, and knows the tenant; returns what is wrong with its schema."""
    problem = None
    try:
        await ensure_schema(context.settings, urls)
    except ServersError as error:
        problem = str(error)
    async with open_connection(urls.database, context.settings.connections) as conn:
        if tenant is not None:
            await _check_tenant(conn, tenant)
    return problem


async def _check_tenant(conn: Connection, tenant: str) -> None:
    """Raises CannotRun when there is no such tenant, or the name is no text."""
    try:
        await require_tenant(conn, tenant)
    except PostgresError as error:
        if isinstance(error, LOCK_TIMEOUTS):
            # Who has the table locked is what the archive is to say.
            return
        if trouble_of(error) is Trouble.REFUSED_ROW:
            raise CannotRun(f"--tenant is not a valid name: {error}") from error
        raise


def _why(error: Exception, context: Context) -> str:
    if isinstance(error, ServersError):
        return mask_passwords(str(error))
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    return mask_passwords(f"the database cannot be used ({server_named(context.settings)}): {words}")


def _report(one: Collected) -> None:
    what = {"collected": "collected", "failed": "NOT collected", "not_asked": "not asked for"}[one.result]
    click.echo(f"{one.part.name}: {what} ({one.seconds:.1f} s)", err=True)


def _warn(found: Sequence[Collected]) -> None:
    failed = [one.part.name for one in found if one.result == "failed"]
    if failed:
        words = count(len(failed), "part")
        click.echo(f"warning: {words} could not be collected, see {MANIFEST}: {listed(failed, 20)}", err=True)


def _manifest(found: Sequence[Collected], at: datetime, tenant: str | None, *, notes: bool) -> dict[str, Any]:
    return {
        "at": at.isoformat(),
        "host": socket.gethostname(),
        "version": own_version(),
        "tenant": tenant,
        "parts": [_part(one) for one in found],
        "taken_out": [_TAKEN_OUT] + ([] if notes else [_NOTES]),
        "hint": _LOGS,
    }


def _part(one: Collected) -> dict[str, Any]:
    file = one.part.file if one.result == "collected" else None
    return {
        "name": one.part.name,
        "result": one.result,
        "file": file,
        "problem": one.problem,
        "seconds": round(one.seconds, 3),
    }


def _files(found: Sequence[Collected], redactor: Redactor) -> Mapping[str, bytes]:
    """What was collected, redacted, by the name of its file."""
    return {one.part.file: _content(one.content, redactor, one.part.file) for one in found if one.result == "collected"}


def _content(content: Any, redactor: Redactor, file: str) -> bytes:
    if file.endswith(".json"):
        # A number a line would make long columns of numbers several times as large.
        return _json(redactor.document(content), indent=None if "flights" in content else 1)
    return "".join(f"{redactor.log_line(line)}\n" for line in content).encode(errors="backslashreplace")


def _json(document: Any, indent: int | None = 1) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=indent, default=str) + "\n").encode(
        errors="backslashreplace"
    )

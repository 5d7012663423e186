"""`lead-router sources`: web forms and webhooks through which leads come."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ops.cli.context import CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.options import current_user, require_tenant, span, tenant_option, warn_of_zone, why_option
from ops.documents.sources import check_secrets, counts_document, new_secret, path_of, source_document
from router.domain.written_time import written_or_dash
from router.intake.webhook_signature import MAX_SECRET, BadSecret, check_secret
from router.rules.document import read_file
from router.rules.source_file import SourceFile, WebhookDoor, parse_source
from router.store.sources import (
    MAX_NAME,
    NewSource,
    Source,
    SourceExists,
    SourceKindFixed,
    SourceUnknown,
    add_source,
    all_sources,
    remove_source,
    rotate_key,
    rotate_secret,
    secrets_of,
    set_source,
    source_named,
)
from router.store.statements import Connection

_REJECTS_SHOWN = 10

_secret_file = click.option(
    "--secret-file", metavar="FILE", help="The sender's secret, on one line (- = stdin). Default: a new one."
)


@click.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@_secret_file
@json_option
@async_command
async def add(
    context: Context, name: str, file: Path, tenant_name: str | None, secret_file: str | None, as_json: bool
) -> None:
    """Create the source NAME from FILE, which has its mapping and its door (form: or webhook:).

    A secret that is made here is shown once.

    \b
    Example:
      lead-router sources add website form.yaml --tenant acme
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise CannotRun(f"a source's name has 1 to {MAX_NAME} printable characters")
    text, source = read_source_file(file)
    secret = _secret_for(source, secret_file)
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        try:
            new = NewSource(name.strip(), source.kind, text, secret)
            key = await add_source(conn, tenant.tenant_id, new, current_user())
        except SourceExists as error:
            raise CannotRun(str(error)) from error
    shown = None if secret_file else secret
    if as_json:
        print_json({"source": name.strip(), "kind": source.kind, "path": path_of(source.kind, key), "secret": shown})
        return
    console().print(f"POST {path_of(source.kind, key)}", soft_wrap=True)
    _print_secret(shown)


@click.command("list")
@tenant_option
@json_option
@async_command
async def list_(context: Context, tenant_name: str | None, as_json: bool) -> None:
    """List the sources of a tenant, and what came through them.

    \b
    Example:
      lead-router sources list --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        found = await all_sources(conn, tenant.tenant_id)
    if as_json:
        print_json([counts_document(source) for source in found])
        return
    table = Table("source", "kind", "taken", "refused", "trapped", "last", box=None, pad_edge=False)
    for one in found:
        last = _at(one.last_at, tenant.time_zone)
        table.add_row(one.name, one.kind, f"{one.taken:,}", f"{one.refused:,}", f"{one.trapped:,}", last)
    console().print(table if found else f"no source yet; lead-router sources add NAME FILE --tenant {tenant.name}")


@click.command()
@click.argument("name")
@tenant_option
@json_option
@async_command
async def show(context: Context, name: str, tenant_name: str | None, as_json: bool) -> None:
    """Show the source NAME: its address, its file, and what it refused recently.

    \b
    Example:
      lead-router sources show website --tenant acme
    """
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        document = await source_document(conn, await _named(conn, tenant.tenant_id, name))
    if as_json:
        print_json(document)
    else:
        _print_source(document, tenant.time_zone)


@click.command("set")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@why_option()
@json_option
@async_command
async def set_(context: Context, name: str, file: Path, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Give the source NAME another FILE, which counts within 5 s; its address and secrets stay.

    \b
    Example:
      lead-router sources set website form.yaml --tenant acme --why "new field"
    """
    text, source = read_source_file(file)
    async with context.connection() as conn:
        tenant_id = (await require_tenant(conn, tenant_name)).tenant_id
        _check_secrets(source, await secrets_of(conn, tenant_id, name))
        try:
            await set_source(conn, tenant_id, NewSource(name, source.kind, text), current_user(), why)
        except (SourceUnknown, SourceKindFixed) as error:
            raise CannotRun(str(error)) from error
    if as_json:
        print_json({"source": name, "kind": source.kind})
    else:
        console().print(f"source {name} is changed")


@click.command()
@click.argument("name")
@tenant_option
@click.option("--old-holds-for", "holds", default="1d", metavar="TIME", callback=span, help="Default 1d; at least 1s.")
@click.option("--key", "new_key", is_flag=True, help="The key in the address, also of a webhook.")
@_secret_file
@json_option
@async_command
async def rotate(
    context: Context,
    /,
    *,
    name: str,
    tenant_name: str | None,
    holds: timedelta,
    new_key: bool,
    secret_file: str | None,
    as_json: bool,
) -> None:
    """Replace the key of the form NAME, or the secret of the webhook NAME; the old one holds for a while.

    \b
    Example:
      lead-router sources rotate crm --tenant acme --old-holds-for 2d
    """
    async with context.connection() as conn:
        tenant_id = (await require_tenant(conn, tenant_name)).tenant_id
        source = await _named(conn, tenant_id, name)
        if new_key or source.kind == "form":
            if secret_file:
                raise CannotRun("--secret-file is for the secret of a webhook, not for a key")
            key, secret = await rotate_key(conn, tenant_id, name, holds, current_user()), None
        else:
            key, secret = None, _secret_for(source.parsed(), secret_file)
            await rotate_secret(conn, tenant_id, name, str(secret), holds, current_user())
    path = key and path_of(source.kind, key)
    shown = None if secret_file else secret
    if as_json:
        print_json({"source": name, "path": path, "secret": shown, "old_holds_s": holds.total_seconds()})
        return
    console().print(f"POST {path}" if path else f"source {name} has a new secret; the old one holds for {holds}")
    _print_secret(shown)


@click.command()
@click.argument("name")
@tenant_option
@why_option()
@json_option
@async_command
async def remove(context: Context, name: str, tenant_name: str | None, why: str, as_json: bool) -> None:
    """Remove the source NAME with its keys and secrets; its leads stay.

    \b
    Example:
      lead-router sources remove old-form --tenant acme --why "page is gone"
    """
    async with context.connection() as conn:
        tenant_id = (await require_tenant(conn, tenant_name)).tenant_id
        try:
            await remove_source(conn, tenant_id, name, current_user(), why)
        except SourceUnknown as error:
            raise Found(str(error)) from error
    if as_json:
        print_json({"source": name, "removed": True})
    else:
        console().print(f"source {name} is removed; its leads stay")


def read_source_file(file: Path) -> tuple[str, SourceFile]:
    """The text of a source's file, and what it says. Raises InvalidFile, CannotRun."""
    text = read_file(file)
    if "\0" in text:
        raise CannotRun(f"{file}: holds a NUL character")
    source = parse_source(text, str(file))
    warn_of_zone(file, source.mapping.time_zone)
    return text, source


def _secret_for(source: SourceFile, file: str | None) -> str | None:
    """The secret in the file, or a new one; none for a form. Raises CannotRun."""
    if not isinstance(source.door, WebhookDoor):
        if file:
            raise CannotRun("a form has no secret; --secret-file is for webhooks")
        return None
    if file is None:
        return new_secret(source.door.scheme)
    secret = _first_line(file)
    try:
        check_secret(source.door.scheme, secret)
    except BadSecret as error:
        raise CannotRun(f"{file}: {error}") from error
    return secret


def _first_line(file: str) -> str:
    limit = MAX_SECRET + 100
    if file == "-":
        return sys.stdin.read(limit).strip()
    with Path(file).open("rb") as opened:
        return opened.read(limit).decode("ascii", "replace").strip()


def _check_secrets(source: SourceFile, held: tuple[str, ...]) -> None:
    """Raises CannotRun."""
    try:
        check_secrets(source, held)
    except BadSecret as error:
        raise CannotRun(str(error)) from error


async def _named(conn: Connection, tenant_id: int, name: str) -> Source:
    try:
        return await source_named(conn, tenant_id, name)
    except SourceUnknown as error:
        raise CannotRun(str(error)) from error


def _print_source(document: dict[str, Any], zone_name: str) -> None:
    out = console()
    for one in document["paths"]:
        until = f"  until {_at(one['until'], zone_name)}" if one["until"] else ""
        out.print(f"POST {one['path']}{until}", soft_wrap=True)
    for one in document["secrets"]:
        until = f", until {_at(one['until'], zone_name)}" if one["until"] else ""
        out.print(f"a secret of {_at(one['created_at'], zone_name)}{until}")
    out.print(f"{document['taken']:,} taken, {document['refused']:,} refused, {document['trapped']:,} trapped")
    out.print(document["file"].rstrip(), soft_wrap=True, markup=False)
    if not document["rejects"]:
        return
    table = Table("refused", "status", "id", "reason", box=None, pad_edge=False)
    for one in document["rejects"][:_REJECTS_SHOWN]:
        table.add_row(_at(one["at"], zone_name), str(one["status"]), one["sent_id"] or "-", one["reason"])
    out.print(table)


def _print_secret(secret: str | None) -> None:
    if secret is not None:
        console().print(secret, soft_wrap=True)
        console().print("This secret is shown only now: give it to the sender.")


def _at(at: datetime | None, zone_name: str) -> str:
    return written_or_dash(at, zone_name, seconds=True)

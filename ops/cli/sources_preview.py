"""`lead-router sources test`: what a mapping makes of a body, without storing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import require_tenant
from ops.cli.sources import read_source_file
from router.domain.calendar import zone
from router.domain.lead_in import LeadIn
from router.http.problems import pointer_to
from router.http.source_doors import phone_region_of
from router.intake.form_body import URLENCODED, FormError
from router.intake.form_post import read_post
from router.intake.json_lead import FieldError, NotALead
from router.intake.source_lead import ReadingContext, SourceReader
from router.intake.webhook_body import open_webhook, unbelieved_webhook, webhook_document
from router.intake.webhook_signature import SignatureWrong
from router.rules.source_file import FormDoor, SourceFile, WebhookDoor
from router.store.leads import database_clock
from router.store.sources import secrets_of
from router.store.synonyms import load_spellings

MAX_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the preview depends on beside the file and the body."""

    context: ReadingContext
    time_zone: str = "UTC"
    secrets: tuple[str, ...] = ()


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--body", "body_file", required=True, type=click.Path(path_type=Path), help="A file with the body.")
@click.option("--content-type", help="Default: JSON for a webhook, urlencoded for a form.")
@click.option("--headers", "headers_file", type=click.Path(path_type=Path), help="A file of lines NAME: VALUE.")
@click.option("--tenant", "tenant_name", metavar="T", help="Read with the words and phone numbers of this tenant.")
@click.option("--source", "name", default="test", metavar="NAME", help="The source whose secrets check the signature.")
@json_option
@async_command
async def preview(
    context: Context,
    /,
    *,
    file: Path,
    body_file: Path,
    content_type: str | None,
    headers_file: Path | None,
    tenant_name: str | None,
    name: str,
    as_json: bool,
) -> int:
    """Show what the source in FILE would make of a body, and store nothing.

    \b
    Example:
      lead-router sources test webhook.yaml --body body.json --headers headers.txt --tenant acme --source crm
    """
    _, source = read_source_file(file)
    body = _body(body_file)
    headers = {} if headers_file is None else _headers(headers_file)
    scene = await _scene(context, tenant_name, name)
    content_type = content_type or headers.get("content-type", "")
    document = _preview(source, name, scene, content_type, headers, body)
    if as_json:
        print_json(document)
    else:
        _print(document)
    return EXIT_FOUND if document["rejects"] or document["signature"] not in (None, "valid", "not checked") else 0


def _body(file: Path) -> bytes:
    body = file.read_bytes()
    if len(body) > MAX_BODY:
        raise CannotRun(f"{file}: has more than {MAX_BODY:,} bytes")
    return body


async def _scene(context: Context, tenant_name: str | None, name: str) -> _Scene:
    if tenant_name is None:
        return _Scene(ReadingContext(datetime.now(UTC)))
    async with context.connection() as conn:
        tenant = await require_tenant(conn, tenant_name)
        spellings = await load_spellings(conn, tenant.tenant_id)
        reading = ReadingContext(await database_clock(conn), await phone_region_of(conn, tenant), spellings)
        return _Scene(reading, tenant.time_zone, await secrets_of(conn, tenant.tenant_id, name))


def _preview(
    source: SourceFile, name: str, scene: _Scene, content_type: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    reader = SourceReader(name, source, scene.context)
    if isinstance(source.door, FormDoor):
        return _form_preview(reader, source.door, scene, content_type, body)
    return _webhook_preview(reader, source.door, scene, content_type, headers, body)


def _form_preview(
    reader: SourceReader, door: FormDoor, scene: _Scene, content_type: str, body: bytes
) -> dict[str, Any]:
    try:
        post = read_post(door, content_type or URLENCODED, body)
        today = scene.context.now.astimezone(zone(scene.time_zone)).date()
        read: list[LeadIn | NotALead] = [] if post.trapped else [reader.form_lead(post.fields, today)]
    except FormError as error:
        return _document([_of_form(error)])
    except NotALead as error:
        return _document([error])
    return _document(read, trapped=post.trapped, redirect=post.redirect)


def _webhook_preview(
    reader: SourceReader, door: WebhookDoor, scene: _Scene, content_type: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    signature, post = "not checked", None
    if scene.secrets:
        try:
            signature, post = "valid", open_webhook(door, headers, body, scene.secrets, datetime.now(UTC))
        except SignatureWrong as error:
            signature = str(error)
    try:
        post = post or unbelieved_webhook(door, headers, body)
        read = reader.webhook_leads(webhook_document(post, content_type), post.fallback_id)
    except FormError as error:
        read = [_of_form(error)]
    except ValueError as error:
        read = [NotALead([FieldError((), str(error))])]
    return _document(read, signature=signature)


def _of_form(error: FormError) -> NotALead:
    return NotALead([FieldError((error.field,) if error.field else (), error.reason)])


def _document(
    read: list[LeadIn | NotALead], *, signature: str | None = None, trapped: bool = False, redirect: str | None = None
) -> dict[str, Any]:
    rejects = [error for one in read if isinstance(one, NotALead) for error in one.errors]
    return {
        "signature": signature,
        "trapped": trapped,
        "redirect": redirect,
        "leads": [_fields(one) for one in read if isinstance(one, LeadIn)],
        "rejects": [{"pointer": pointer_to(*error.path), "reason": error.reason} for error in rejects],
    }


def _fields(lead: LeadIn) -> dict[str, Any]:
    return {name: value for name, value in lead._asdict().items() if value not in (None, frozenset())} | (
        {"malformed": sorted(lead.malformed)} if lead.malformed else {}
    )


def _print(document: dict[str, Any]) -> None:
    out = console()
    if document["signature"] is not None:
        out.print(f"signature: {document['signature']}", markup=False)
    if document["signature"] == "not checked":
        out.print("  name --tenant T and --source NAME to check it with the secrets of that source")
    if document["trapped"]:
        out.print("the honeypot is filled: answered as if taken, and not stored")
    for number, lead in enumerate(document["leads"], 1):
        out.print(f"lead {number}")
        for name, value in lead.items():
            out.print(f"  {name}: {value}", markup=False, soft_wrap=True)
    for reject in document["rejects"]:
        out.print(f"refused: {reject['pointer'] or 'the body'}: {reject['reason']}", markup=False, soft_wrap=True)


def _headers(file: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        name, colon, value = line.partition(":")
        if not line.strip() or line.startswith(("POST ", "HTTP/")):
            continue
        if not colon:
            raise CannotRun(f"{file}:{number}: is not a header such as webhook-id: msg_1")
        found[name.strip().lower()] = value.strip()
    return found

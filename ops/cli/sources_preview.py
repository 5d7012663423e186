"""`lead-router sources test`: what a mapping makes of a body, without storing it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from ops.cli.options import require_tenant
from ops.cli.sources import read_source_file
from ops.documents.source_preview import PreviewScene, preview_document, scene_of
from router.intake.source_lead import ReadingContext

MAX_BODY = 1_000_000


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
    document = preview_document(source, name, scene, content_type, headers, body)
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


async def _scene(context: Context, tenant_name: str | None, name: str) -> PreviewScene:
    if tenant_name is None:
        return PreviewScene(ReadingContext(datetime.now(UTC)))
    async with context.connection() as conn:
        return await scene_of(conn, await require_tenant(conn, tenant_name), name)


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

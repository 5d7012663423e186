"""What a source makes of a body, without storing it; for the command and the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
from router.store.statements import Connection
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant


@dataclass(frozen=True, slots=True)
class PreviewScene:
    """What a preview depends on beside the file and the body. `secrets` empty = the signature is not checked."""

    context: ReadingContext
    time_zone: str = "UTC"
    secrets: tuple[str, ...] = ()


async def scene_of(conn: Connection, tenant: Tenant, source: str) -> PreviewScene:
    """With the words, the phone numbers and the clock of a tenant, and the secrets of one of its sources."""
    spellings = await load_spellings(conn, tenant.tenant_id)
    reading = ReadingContext(await database_clock(conn), await phone_region_of(conn, tenant), spellings)
    return PreviewScene(reading, tenant.time_zone, await secrets_of(conn, tenant.tenant_id, source))


def preview_document(
    source: SourceFile, name: str, scene: PreviewScene, content_type: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """The JSON document: leads, what is refused and where, and whether the signature holds.

    Names of headers are in lower case.
    """
    reader = SourceReader(name, source, scene.context)
    if isinstance(source.door, FormDoor):
        return _form_preview(reader, source.door, scene, content_type, body)
    return _webhook_preview(reader, source.door, scene, content_type, headers, body)


def _form_preview(
    reader: SourceReader, door: FormDoor, scene: PreviewScene, content_type: str, body: bytes
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
    reader: SourceReader,
    door: WebhookDoor,
    scene: PreviewScene,
    content_type: str,
    headers: Mapping[str, str],
    body: bytes,
) -> dict[str, Any]:
    signature, post = "not checked", None
    if scene.secrets:
        try:
            signature, post = "valid", open_webhook(door, headers, body, scene.secrets, scene.context.now)
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

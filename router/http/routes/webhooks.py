"""Webhooks of others: the signature over the body, as it came, is the permission."""

import msgspec
from aiohttp import web

from router.domain.lead_in import LeadIn
from router.http.body import read_body
from router.http.operations import Answer, Call, OpenedBy, Operation
from router.http.problems import FieldProblem, Kind, Refused, pointer_to
from router.http.reading import check_media_type_only
from router.http.routes.source_intake import hand_in_all, noting, refuse_lead
from router.http.source_doors import utc_now
from router.intake.form_body import URLENCODED, FormError
from router.intake.json_lead import NotALead
from router.intake.webhook_body import WebhookPost, open_webhook, webhook_document
from router.intake.webhook_signature import SignatureWrong
from router.rules.source_file import WebhookDoor

MAX_BODY = 1_000_000
_JSON = "application/json"


class WebhookAnswer(msgspec.Struct, frozen=True):
    """All leads of the body are committed, now or before."""

    leads: int


async def post_webhook(call: Call) -> Answer:
    """Answers once all leads of the body are committed. What can be read is stored, also where the rest is refused."""
    request, door = call.request, call.source.door
    assert isinstance(door, WebhookDoor)
    body = await read_body(request, MAX_BODY)
    headers = _headers(request)
    sent_id = headers.get((door.id_header or "").lower(), "")
    async with noting(call, body, sent_id):
        post = _opened(call, door, headers, body)
    async with noting(call, body, sent_id, at_once=True):
        check_media_type_only(request, _JSON, URLENCODED)
        read = _leads(call, post, request)
        leads = [one for one in read if isinstance(one, LeadIn)]
        await hand_in_all(call, leads)
        wrong = [one for one in read if isinstance(one, NotALead)]
        if wrong:
            raise refuse_lead(wrong)
    return Answer(WebhookAnswer(len(leads)))


def _headers(request: web.Request) -> dict[str, str]:
    """The headers by name in lower case. One that comes twice could be read in two ways, so it has no value."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        found[name.lower()] = "" if name.lower() in found else value
    return found


def _opened(call: Call, door: WebhookDoor, headers: dict[str, str], body: bytes) -> WebhookPost:
    try:
        return open_webhook(door, headers, body, call.source.secrets, utc_now())
    except SignatureWrong as error:
        raise Refused(Kind.BAD_SIGNATURE, str(error)) from None


def _leads(call: Call, post: WebhookPost, request: web.Request) -> list[LeadIn | NotALead]:
    try:
        document = webhook_document(post, request.headers.get("Content-Type", ""))
    except FormError as error:
        pointer = pointer_to(error.field) if error.field else ""
        raise Refused(Kind.INVALID, str(error), [FieldProblem(pointer, error.reason)]) from None
    except ValueError as error:
        raise Refused(Kind.BAD_REQUEST, str(error)) from None
    return call.source.reader.webhook_leads(document, post.fallback_id)


POST_WEBHOOK = Operation(
    id="post_webhook",
    method="POST",
    path="/v1/webhooks/{key}",
    summary="Post a webhook",
    description=(
        "Signed as the source of the key says. 200 = all its leads are committed; the same again changes nothing. "
        "422 = the leads that errors point to cannot be read; the others are stored."
    ),
    handler=post_webhook,
    answers={200: WebhookAnswer},
    tag="leads",
    media={_JSON: {}, URLENCODED: {"type": "object", "additionalProperties": True}},
    max_body=MAX_BODY,
    of_tenant=False,
    opened_by=OpenedBy.SIGNATURE,
)

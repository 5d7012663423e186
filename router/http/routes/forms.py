"""Web forms: whoever has the key in the address may post a form of that source, and nothing else."""

import msgspec
from aiohttp import web

from router.http.body import read_body
from router.http.operations import Answer, Call, OpenedBy, Operation
from router.http.problems import FieldProblem, Kind, Refused, pointer_to
from router.http.reading import check_media_type_only
from router.http.routes.source_intake import address_of, hand_in_all, noting, refuse_lead
from router.intake.form_body import MULTIPART, URLENCODED, FormError
from router.intake.form_post import FormPost, read_post
from router.intake.json_lead import NotALead
from router.rules.source_file import FormDoor

MAX_BODY = 256_000
_PREFLIGHT_S = 600


class FormAnswer(msgspec.Struct, frozen=True):
    """The form is taken. Nothing else is said: the key is public, and what is stored is not shown."""

    taken: bool = True


async def post_form(call: Call) -> Answer | web.StreamResponse:
    """Answers once the lead is committed. Browsers that show a page are sent on, also where nothing was taken."""
    door = _door(call)
    async with noting(call, b""):
        _check_origin(call.request, door)
    try:
        post = await _take(call, door)
    except Refused:
        if door.failure_redirect is not None and _shows_a_page(call.request):
            return _see_other(door.failure_redirect)
        raise
    if post.redirect is not None and _shows_a_page(call.request):
        return _see_other(post.redirect)
    return Answer(FormAnswer())


def _check_origin(request: web.Request, door: FormDoor) -> None:
    """Who names no origin is no browser that shows another's page."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in door.origins:
        raise Refused(
            Kind.WRONG_ORIGIN,
            f"pages of {origin[:100]} may not post here; form.origins of the source has those that may",
        )


async def _take(call: Call, door: FormDoor) -> FormPost:
    if door.per_minute is not None:
        address = address_of(call.request, door.address_header)
        call.leads.sources.addresses.take(call.source.key, address, door.per_minute)
    content_type = check_media_type_only(call.request, URLENCODED, MULTIPART)
    body = await read_body(call.request, MAX_BODY)
    async with noting(call, body):
        post = _read(door, content_type, body)
        if post.trapped:
            call.leads.book.trapped(call.source.key)
            return post
        try:
            lead = call.source.reader.form_lead(post.fields, call.source.today())
        except NotALead as error:
            raise refuse_lead([error]) from None
        await hand_in_all(call, [lead])
    return post


def _read(door: FormDoor, content_type: str, body: bytes) -> FormPost:
    try:
        return read_post(door, content_type, body)
    except FormError as error:
        pointer = pointer_to(error.field) if error.field else ""
        raise Refused(Kind.INVALID, str(error), [FieldProblem(pointer, error.reason)]) from None


async def preflight(call: Call) -> web.StreamResponse:
    """What a browser asks before it posts with JavaScript."""
    headers = {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
    }
    allowed = call.request.headers.get("Origin", "").lower() in _door(call).origins
    return web.Response(status=204, headers=headers if allowed else {})


def _door(call: Call) -> FormDoor:
    door = call.source.door
    assert isinstance(door, FormDoor)
    return door


def _shows_a_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "").lower()


def _see_other(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})


_FORM = {"type": "object", "additionalProperties": True}

POST_FORM = Operation(
    id="post_form",
    method="POST",
    path="/v1/forms/{key}",
    summary="Post a web form",
    description=(
        "The key of the source (lead-router sources show) is the permission. A client that accepts text/html is "
        "redirected with 303 where the source has an address for that."
    ),
    handler=post_form,
    answers={200: FormAnswer, 303: None},
    tag="leads",
    media={URLENCODED: _FORM, MULTIPART: _FORM},
    max_body=MAX_BODY,
    of_tenant=False,
    opened_by=OpenedBy.FORM_KEY,
)

PREFLIGHT = Operation(
    id="form_preflight",
    method="OPTIONS",
    path="/v1/forms/{key}",
    summary="Whether a page may post a web form",
    handler=preflight,
    answers={204: None},
    tag="leads",
    of_tenant=False,
    opened_by=OpenedBy.FORM_KEY,
)

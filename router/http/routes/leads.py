"""Handing in one lead."""

from hashlib import blake2b

import msgspec

from router.domain.access import Permission
from router.domain.lead_in import LeadIn
from router.http.body import read_body
from router.http.idempotency_key import HEADER, MAX_KEY, idempotency_key
from router.http.lead_door import LeadDoor
from router.http.operations import Answer, Call, Operation
from router.http.problems import FieldProblem, Kind, Refused, busy, pointer_to
from router.http.reading import check_media_type, parse_json
from router.http.routes.lead_documents import LeadAnswer, LeadBody
from router.intake.group_commit import MAX_WAITING, TooManyWaiting
from router.intake.hand_in import HandedIn, IdempotencyKey, KeyUsed, Outcome, Taken, Unstorable
from router.intake.json_lead import FieldError, JsonLeadReader, NotALead
from router.intake.lead_intake import NotDurable
from router.store.idempotency import HOLDS_S
from router.telemetry.intake_instruments import IntakeResult, IntakeRoute

_JSON = "application/json"
_REPLAYED = {"Idempotency-Replayed": "true"}
_FULL = {
    "Retry-After": "1",
    "RateLimit-Policy": f'"waiting";q={MAX_WAITING};qu="concurrent-requests"',
    "RateLimit": '"waiting";r=0;t=1',
}
# Two bodies are the same request when they are the same JSON.
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")


async def hand_in(call: Call) -> Answer:
    """Answers once the lead is committed."""
    request, tenant = call.request, call.tenant
    check_media_type(request, _JSON)
    text = idempotency_key(request)
    body = await read_body(request, MAX_BODY)
    reader = await call.leads.readers.reader_of(tenant)
    handed_in = read_lead(call.leads, tenant.tenant_id, reader, text, body)
    try:
        outcome = await call.leads.singles.hand_in(tenant.tenant_id, handed_in)
    except (TooManyWaiting, NotDurable) as error:
        raise not_taken(error) from None
    return answer_of(handed_in.lead, outcome)


def read_lead(leads: LeadDoor, tenant_id: int, reader: JsonLeadReader, key: str | None, body: bytes) -> HandedIn:
    """The lead in a body, with the Idempotency-Key that came with it. Raises Refused."""
    value = parse_json(body)
    try:
        lead = reader.read(value)
    except NotALead as error:
        leads.intake.instruments.leads(IntakeRoute.SINGLE, IntakeResult.REFUSED)
        raise invalid(error.errors) from None
    return HandedIn(lead, None if key is None else _key(leads, tenant_id, key, value))


def not_taken(error: TooManyWaiting | NotDurable) -> Refused:
    """The refusal of a lead that was not committed, or of which that is not known."""
    if isinstance(error, TooManyWaiting):
        return Refused(Kind.TOO_MANY, f"nothing was stored: {error}; send it again", headers=_FULL)
    return busy(f"{error}; it is not known whether the lead is stored: send it again, which does no harm")


def invalid(errors: list[FieldError]) -> Refused:
    """The refusal of a lead, with a pointer to each value that is wrong."""
    found = [FieldProblem(pointer_to(*error.path), error.reason) for error in errors]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Refused(Kind.INVALID, f"{found[0].pointer or 'the lead'}: {found[0].reason}{more}", found)


def _key(leads: LeadDoor, tenant_id: int, text: str, value: object) -> IdempotencyKey:
    """Raises Refused while another request with the key is being worked on."""
    body_hash = blake2b(_CANONICAL.encode(value), digest_size=16).digest()
    under_way = leads.singles.body_under_way(tenant_id, text)
    if under_way is None:
        return IdempotencyKey(text, body_hash)
    if under_way != body_hash:
        raise _key_used()
    raise Refused(
        Kind.STILL_RUNNING, "the first request with this key is being worked on", headers={"Retry-After": "1"}
    )


def _key_used() -> Refused:
    return Refused(Kind.KEY_USED, f"this {HEADER} came with another body before; another lead needs a key of its own")


def answer_of(lead: LeadIn, outcome: Outcome) -> Answer:
    """The answer about a lead that is stored. Raises Refused where it is not."""
    if isinstance(outcome, KeyUsed):
        raise _key_used()
    if isinstance(outcome, Unstorable):
        raise invalid([FieldError((), outcome.reason)])
    headers = dict(_REPLAYED) if outcome.replayed else {}
    if outcome.lead_id is not None:
        headers["Location"] = f"/v1/leads/{outcome.lead_id}"
    return Answer(document_of(lead, outcome), 202, headers)


def document_of(lead: LeadIn, taken: Taken) -> LeadAnswer:
    """What is answered about a lead that is stored."""
    return LeadAnswer(
        taken.lead_id,
        lead.source,
        lead.external_id,
        taken.state,
        taken.duplicate,
        list(taken.differing),
        taken.merged_into,
    )


MAX_BODY = 1_000_000

POST_LEAD = Operation(
    id="hand_in_lead",
    method="POST",
    path="/v1/leads",
    summary="Hand in a lead",
    description=(
        "202 = the lead is committed. `source` and `external_id` identify it: the same again is answered with the "
        "same id and `duplicate`, and changes nothing. After 429, 503 or no answer at all send it again."
    ),
    handler=hand_in,
    answers={202: LeadAnswer},
    permission=Permission.HAND_IN,
    tag="leads",
    media={_JSON: LeadBody},
    request_headers={
        HEADER: (
            f"1 to {MAX_KEY} visible ASCII characters, quoted or bare. The same key with the same body gets the same "
            f"answer for {HOLDS_S // 3600} hours; with another body 422, while the first one is being worked on 409."
        )
    },
    max_body=MAX_BODY,
)

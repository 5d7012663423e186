"""A webhook from its bytes to what its leads are read from: who sent it first, then what it says. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from router.intake.form_body import URLENCODED, join_values, read_form
from router.intake.json_text import MAX_DEPTH, read_json, too_deep
from router.intake.source_lead import body_id
from router.intake.webhook_signature import SignatureWrong, check_key, check_signature
from router.rules.json_paths import parse_path, places_of, without
from router.rules.source_file import SHARED_KEY, WebhookDoor


class WebhookPost(NamedTuple):
    """A webhook that is to be believed. `fallback_id` is the id of leads that have none. `document` None = the body is
    not read yet.
    """

    body: bytes
    fallback_id: str
    document: object = None


def open_webhook(
    door: WebhookDoor, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> WebhookPost:
    """Checks who sent it. Header names are in lower case; `now` is aware. Raises SignatureWrong."""
    if door.scheme != SHARED_KEY:
        webhook_id = check_signature(door, headers, body, secrets, now)
        return WebhookPost(body, webhook_id or body_id(body))
    try:
        document = read_document(body)
    except ValueError as error:
        raise SignatureWrong(f"the key cannot be looked for: {error}") from None
    check_key(str(door.key), document, secrets)
    return _without_key(door, body, document)


def unbelieved_webhook(door: WebhookDoor, headers: Mapping[str, str], body: bytes) -> WebhookPost:
    """The same as if it were signed: for a preview. Raises ValueError."""
    if door.scheme == SHARED_KEY:
        return _without_key(door, body, read_document(body))
    webhook_id = headers.get((door.id_header or "").lower()) if "{id}" in door.signed else None
    return WebhookPost(body, webhook_id or body_id(body))


def _without_key(door: WebhookDoor, body: bytes, document: object) -> WebhookPost:
    """The key is no part of the lead."""
    places = places_of(document, parse_path(str(door.key)))
    return WebhookPost(body, body_id(body), without(document, [places] if places else []))


def webhook_document(post: WebhookPost, content_type: str) -> object:
    """What the body says. Raises FormError, ValueError."""
    if post.document is not None:
        return post.document
    if content_type.partition(";")[0].strip().lower() == URLENCODED:
        return join_values(read_form(content_type, post.body), "join")
    return read_document(post.body)


def read_document(body: bytes) -> object:
    """Strict JSON. Raises ValueError with what is wrong."""
    try:
        value = read_json(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    if too_deep(value):
        raise ValueError(f"the body is nested too deeply; at most {MAX_DEPTH} levels")
    return value

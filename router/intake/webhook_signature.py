"""Whether a webhook comes from who has the secret, and just now: Standard Webhooks, and HMAC-SHA256 in general. Pure.

What is signed is the body as it came, byte by byte. Signatures are compared in constant time.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from router.rules.json_paths import parse_path, places_of, value_at
from router.rules.source_file import STANDARD, WebhookDoor

PREFIX = "whsec_"
MIN_SECRET, MAX_SECRET = 16, 500
_ID = re.compile(r"[A-Za-z0-9_\-:@+/=]{1,200}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{9,11}", re.ASCII)
_MAX_SIGNATURES = 20


class SignatureWrong(ValueError):
    """The webhook is not to be believed; the message says why, and may be shown to the sender."""


class BadSecret(ValueError):
    """The text cannot be a secret of this scheme; the message does not quote it."""


def check_secret(scheme: str, secret: str) -> None:
    """Raises BadSecret."""
    if not MIN_SECRET <= len(secret) <= MAX_SECRET or not secret.isascii() or not secret.isprintable():
        raise BadSecret(f"a secret has {MIN_SECRET} to {MAX_SECRET} printable ASCII characters")
    if scheme == STANDARD and not 24 <= len(_key(scheme, secret)) <= 64:
        raise BadSecret("a secret of Standard Webhooks has 24 to 64 bytes, in base64, mostly after whsec_")


def check_signature(
    door: WebhookDoor, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> str | None:
    """The id that was signed, None where the scheme signs none. Header names are in lower case; `now` is aware.

    Raises SignatureWrong.
    """
    given = _header(headers, door.signature_header)
    webhook_id = _id(door, headers)
    sent_at = _timestamp(door, headers)
    text = _signed_text(door.signed, {"id": webhook_id or "", "timestamp": sent_at or ""}, body)
    signatures = _signatures(door, given)
    # A secret of another scheme could be read as an empty key, which everybody has.
    keys = [key for secret in secrets if len(key := _key(door.scheme, secret)) >= MIN_SECRET]
    # No early end: how long it takes says nothing about which secret, or how much of it, was right.
    matches = [
        hmac.compare_digest(signature, hmac.digest(key, text, "sha256")) for key in keys for signature in signatures
    ]
    if not any(matches):
        raise SignatureWrong("the signature does not fit the body and any secret of this source")
    _check_age(door, sent_at, now)
    return webhook_id


def check_key(path: str, document: object, secrets: Sequence[str]) -> None:
    """For senders that write a key into the body instead of signing. Raises SignatureWrong."""
    places = places_of(document, parse_path(path))
    given = None if places is None else value_at(document, places)
    if places is None or not isinstance(given, str):
        raise SignatureWrong(f"the body has no key at {path}")
    shown = sha256(given.encode("utf-8", "surrogatepass")).digest()
    matches = [hmac.compare_digest(shown, sha256(secret.encode()).digest()) for secret in secrets]
    if not any(matches):
        raise SignatureWrong(f"the key at {path} is not this source's")


def _header(headers: Mapping[str, str], name: str | None) -> str:
    value = headers.get((name or "").lower(), "").strip()
    if not value:
        raise SignatureWrong(f"the header {name} is missing")
    return value


def _id(door: WebhookDoor, headers: Mapping[str, str]) -> str | None:
    if "{id}" not in door.signed:
        return None
    value = _header(headers, door.id_header)
    # A separator in it would let the end of the id be taken for the begin of what comes after it.
    if not _ID.fullmatch(value) or set(value) & _separators(door.signed):
        raise SignatureWrong(f"the header {door.id_header} must be 1 to 200 letters, digits or hyphens")
    return value


def _separators(template: str) -> set[str]:
    return {sign for sign in re.sub(r"\{\w+\}", "", template) if not sign.isalnum()}


def _timestamp(door: WebhookDoor, headers: Mapping[str, str]) -> str | None:
    if "{timestamp}" not in door.signed:
        return None
    value = _header(headers, door.timestamp_header)
    if not _SECONDS.fullmatch(value):
        raise SignatureWrong(f"the header {door.timestamp_header} must be seconds since 1970, as a whole number")
    return value


def _check_age(door: WebhookDoor, sent_at: str | None, now: datetime) -> None:
    if sent_at is None:
        return
    age_s, limit_s = now.timestamp() - int(sent_at), door.tolerance.total_seconds()
    if abs(age_s) > limit_s:
        off = "old" if age_s > 0 else "ahead"
        raise SignatureWrong(
            f"the signature is right, but {abs(age_s):,.0f} s {off}; at most {limit_s:,.0f} s are taken"
        )


def _signed_text(template: str, values: Mapping[str, str], body: bytes) -> bytes:
    before, after = template.split("{body}")
    return b"".join((_filled(before, values), body, _filled(after, values)))


def _filled(text: str, values: Mapping[str, str]) -> bytes:
    return re.sub(r"\{(id|timestamp)\}", lambda found: values[found[1]], text).encode()


def _signatures(door: WebhookDoor, given: str) -> list[bytes]:
    """The signatures of a header; those of other versions are passed over."""
    if door.scheme == STANDARD:
        texts = [one.partition(",")[2] for one in given.split()[:_MAX_SIGNATURES] if one.startswith("v1,")]
        return [read for one in texts if (read := _decoded(one, "base64"))]
    if not given.startswith(door.prefix):
        raise SignatureWrong(f"the header {door.signature_header} must begin with {door.prefix}")
    read = _decoded(given.removeprefix(door.prefix), door.encoding)
    return [read] if read else []


def _decoded(text: str, encoding: str) -> bytes:
    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


def _key(scheme: str, secret: str) -> bytes:
    """The bytes of a secret. Without its prefix, too, a secret of Standard Webhooks is base64."""
    return _decoded(secret.removeprefix(PREFIX), "base64") if scheme == STANDARD else secret.encode()

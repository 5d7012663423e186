"""Signatures of deliveries as Standard Webhooks 1.0 has them: pure. https://www.standardwebhooks.com"""

import base64
import binascii
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64


def new_secret(random_bytes: bytes) -> str:
    """A secret of these (24 to 64) random bytes, as people pass it on."""
    return PREFIX + base64.b64encode(random_bytes).decode()


def secret_key(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError, which does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not base64, with or without whsec_ before it") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"the secret stands for {len(key)} bytes; it must be {_SHORTEST} to {_LONGEST}")
    return key


def signed_headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers of an attempt at `timestamp` (seconds since 1970); one signature for each key."""
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }

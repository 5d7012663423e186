"""Sources for tests: a form, and webhooks with a signature."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from router.http.source_doors import OpenSource
from router.rules.source_file import parse_source
from router.store.sources import NewSource, add_source
from tests.http.support import Api, Reply

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PAGE = "https://www.example.com"
FORM = f"""
rename: {{your-name: name, tel: phone}}
default_phone_region: DE
form:
  origins: {PAGE}
  redirects: [{PAGE}/thanks, {PAGE}/danke]
  failure_redirect: {PAGE}/sorry
  honeypot: website
"""
WEBHOOK = """
rename: {contact.email: email, contact.name: name, id: external_id}
webhook:
  scheme: standard-webhooks
"""

__all__ = ["FORM", "PAGE", "SECRET", "WEBHOOK", "Door", "OpenSource", "signed"]


@dataclass(frozen=True, slots=True)
class Door:
    """A source of a test, at its address."""

    api: Api
    path: str

    async def post(self, **options: Any) -> Reply:
        """One request, without a token; redirects are not followed."""
        return await self.api.ask("POST", self.path, token="", allow_redirects=False, **options)

    async def webhook(self, document: Any, **options: Any) -> Reply:
        """A webhook that is signed now; `options` are those of `signed`."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", **signed(body, **options)}
        return await self.post(data=body, headers=headers)


def signed(body: bytes, webhook_id: str = "msg_1", ago_s: float = 0, secret: str = SECRET) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    sent_at = str(int(time.time() - ago_s))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{webhook_id}.{sent_at}.".encode() + body
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": sent_at, "webhook-signature": f"v1,{signature}"}


async def make_door(
    api: Api, conn: asyncpg.Connection, tenant_id: int, definition: str, name: str = "site", secret: str = SECRET
) -> Door:
    """A source with this file; webhooks have the secret."""
    kind = parse_source(definition, "test").kind
    new = NewSource(name, kind, definition, secret if kind == "webhook" else None)
    key = await add_source(conn, tenant_id, new, "test")
    return Door(api, f"/v1/{kind}s/{key}")

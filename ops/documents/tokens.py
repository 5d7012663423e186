"""Tokens for machines: never their secret."""

from typing import Any

from router.domain.access import Token

MAX_NAME = 100


def token_document(token: Token, tenant: str | None) -> dict[str, Any]:
    """A token; `tenant` is the name of its tenant, None = all tenants."""
    return {
        "id": token.token_id,
        "name": token.name,
        "tenant": tenant,
        "role": token.role.value,
        "rep": token.rep_id,
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "used_at": token.used_at,
        "revoked_at": token.revoked_at,
    }

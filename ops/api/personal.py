"""What a token may see of documents: phones and e-mail addresses only with the permission, and of no other tenant.

Statements of other sessions may hold anybody's values, so a tenant's token sees them without values.
"""

from collections.abc import Mapping
from typing import Any

from ops.bundle.redact import mask_contacts
from router.domain.access import EVERY_TENANT, Permission
from router.domain.worded import changed
from router.http.operations import Call
from router.telemetry.masking import MASK, mask_literals

_CONTACTS = frozenset({"email", "mobile", "wecom_user_id", "dingtalk_user_id", "feishu_user_id"})
_OF_THE_CRM = frozenset({"external_id", "rep_id"})
_STATEMENTS = frozenset({"query", "statement"})
_PLAIN = frozenset({int, float, bool, type(None)})
"""Values that say nothing of anybody."""


def seen_by(call: Call, document: Any) -> Any:
    """The document as the token of the call may see it."""
    own = call.of_tenant.name if call.token.tenant_id != EVERY_TENANT and call.of_tenant else None
    return _seen(document, personal=call.token.may(Permission.PERSONAL), own=own)


def words_for(call: Call, text: str) -> str:
    """A sentence as the token of the call may see it."""
    return text if call.token.may(Permission.PERSONAL) else changed(text, mask_contacts)


def _seen(value: Any, *, personal: bool, own: str | None, key: str = "") -> Any:
    # Asked for first, by type: a group of thousands has tens of thousands of such values.
    if type(value) in _PLAIN or (personal and own is None and type(value) is str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _entry(str(name), one, personal=personal, own=own) for name, one in value.items()}
    if isinstance(value, list | tuple):
        shown = value if own is None else [one for one in value if not _of_other(one, own)]
        return [_seen(one, personal=personal, own=own, key=key) for one in shown]
    if not isinstance(value, str):
        return value
    if own is not None and key in _STATEMENTS:
        value = mask_literals(value)
    if personal or (key in _OF_THE_CRM and "@" not in value and not value.startswith("+")):
        return value
    return mask_contacts(value)


def _entry(key: str, value: Any, *, personal: bool, own: str | None) -> Any:
    if not personal and key in _CONTACTS and value not in (None, ""):
        # Of a change there are the old and the new one.
        return {name: _masked(one) for name, one in value.items()} if isinstance(value, Mapping) else _masked(value)
    return _seen(value, personal=personal, own=own, key=key)


def _masked(value: Any) -> Any:
    return value if value is None or isinstance(value, int) else MASK


def _of_other(value: Any, own: str) -> bool:
    """Whether a row of a list is about another tenant."""
    if not isinstance(value, Mapping):
        return False
    of = value.get("tenant")
    subject = value.get("subject")
    if isinstance(subject, Mapping) and subject.get("kind") == "tenant" and subject.get("name") != own:
        return True
    return isinstance(of, str) and of != own

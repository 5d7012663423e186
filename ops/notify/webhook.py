"""Messages as other programs get them, signed after Standard Webhooks: pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ops.notify.channels import Channel
from ops.notify.message import Item, Message
from ops.notify.text import body, runbook, subject
from ops.text.translation import translator
from router.outbox.signing import secret_key, signed_headers


def webhook_body(channel: Channel, message: Message, ident: str) -> bytes:
    """The JSON document: the parts for machines, and the text for people."""
    say, facts = translator(channel.language), message.facts
    document = {
        "id": ident,
        "type": "notify.test" if message.test else "notify.alert" if message.severity else "notify.over",
        "severity": message.severity,
        "tenants": [scope or None for scope in message.scopes],
        "at": facts.at,
        "leads_waiting": facts.waiting,
        "oldest_since": facts.oldest,
        "top": None if facts.top is None else _item(facts.top, channel),
        "last_change": facts.change,
        "new": _items(message.fresh, channel),
        "going_on": _items(message.going_on, channel),
        "over": _items(message.over, channel),
        "left_out": message.left_out,
        "joined": message.joined,
        "subject": subject(message, say),
        "text": body(message, ident, say, channel.runbooks),
    }
    return msgspec.json.encode(document)


def webhook_headers(channel: Channel, ident: str, now_s: float, data: bytes) -> dict[str, str]:
    """Without a secret only the id and the time."""
    keys = [] if channel.secret is None else [secret_key(channel.secret)]
    headers = signed_headers(ident, int(now_s), data, keys)
    return {name: value for name, value in headers.items() if value}


def _items(items: Sequence[Item], channel: Channel) -> list[dict[str, Any]]:
    return [_item(item, channel) for item in items]


def _item(item: Item, channel: Channel) -> dict[str, Any]:
    return {
        "code": item.code,
        "severity": item.severity,
        "subject": {"kind": item.kind, "name": item.subject},
        "sentence": item.sentence,
        "command": item.command,
        "since": item.since,
        "held_back": item.held_back,
        "more": item.more,
        "runbook": runbook(item.code, channel.runbooks),
    }

"""Messages as the robots of WeCom, DingTalk and Feishu take them, their signatures, and what their answers mean: pure.

Robots answer failures with HTTP 200 and a code in the body: only code 0 is success.
"""

import base64
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import msgspec

from ops.notify.channels import Channel, Kind
from ops.notify.message import Message
from ops.notify.text import body, cut, cut_mark, subject
from ops.text.translation import translator

BYTES = {Kind.WECOM: 4096, Kind.DINGTALK: 18_000, Kind.FEISHU: 18_000}
"""Of one message in UTF-8: markdown of WeCom by its documentation; the others take requests of 20 kB."""
_THROTTLED = {Kind.WECOM: {45009: 60.0}, Kind.DINGTALK: {130101: 600.0, 410100: 600.0}, Kind.FEISHU: {11232: 60.0}}
"""Codes that ask for rest, and for how many seconds: DingTalk blocks for 10 minutes."""
_SAID = 200


@dataclass(frozen=True, slots=True)
class Request:
    """A POST. `url` is a credential."""

    url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. `error` None = the message was taken (`note` = not quite); `rest_s` = the other
    side asks for so many seconds of rest.
    """

    error: str | None = None
    rest_s: float = 0.0
    throttled: bool = False
    note: str | None = None


def dingtalk_sign(secret: str, timestamp_ms: int) -> str:
    """base64(HMAC-SHA256(secret, "timestamp\\nsecret")), not yet encoded for a URL."""
    digest = hmac.digest(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), "sha256")
    return base64.b64encode(digest).decode()


def feishu_sign(secret: str, timestamp_s: int) -> str:
    """base64(HMAC-SHA256(key = "timestamp\\nsecret", empty message))."""
    return base64.b64encode(hmac.digest(f"{timestamp_s}\n{secret}".encode(), b"", "sha256")).decode()


def robot_request(channel: Channel, message: Message, ident: str, now_s: float) -> Request:
    """The request for a robot at `now_s` (seconds since 1970, by this host's clock)."""
    text = robot_text(channel, message, ident)
    if channel.kind is Kind.WECOM:
        return Request(channel.url, _json({"msgtype": "markdown", "markdown": {"content": text}}))
    if channel.kind is Kind.DINGTALK:
        at = {"atMobiles": list(_mentioned(channel, message)), "isAtAll": False}
        return Request(_dingtalk_url(channel, now_s), _json({"msgtype": "text", "text": {"content": text}, "at": at}))
    signed = {}
    if channel.secret is not None:
        signed = {"timestamp": str(int(now_s)), "sign": feishu_sign(channel.secret, int(now_s))}
    return Request(channel.url, _json({**signed, "msg_type": "text", "content": {"text": text}}))


def robot_text(channel: Channel, message: Message, ident: str) -> str:
    """What people read, as long as the robot takes it."""
    say = translator(channel.language)
    mention = " ".join(_mention(channel.kind, name) for name in _mentioned(channel, message))
    text = subject(message, say) + "\n" + body(message, ident, say, channel.runbooks, mention)
    return cut(text, BYTES[channel.kind], cut_mark(say))


def _mentioned(channel: Channel, message: Message) -> tuple[str, ...]:
    return tuple(channel.mention) if message.severity == "critical" or message.test else ()


def _mention(kind: Kind, name: str) -> str:
    """DingTalk calls nobody whose number is not in the text, too."""
    if kind is Kind.FEISHU:
        return f'<at user_id="{name}"></at>'
    return f"<@{name}>" if kind is Kind.WECOM else f"@{name}"


def _dingtalk_url(channel: Channel, now_s: float) -> str:
    if channel.secret is None:
        return channel.url
    timestamp = int(now_s * 1000)
    sign = quote_plus(dingtalk_sign(channel.secret, timestamp))
    return f"{channel.url}{'&' if '?' in channel.url else '?'}timestamp={timestamp}&sign={sign}"


def _json(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)


def read_robot(kind: Kind, status: int, answer: bytes, retry_after_s: float = 0.0) -> Outcome:
    """What an answer means; `retry_after_s` is what it asks for in its header."""
    if status != 200:
        throttled = status in (429, 503)
        return Outcome(f"answered {status}", max(retry_after_s, 60.0) if status == 429 else retry_after_s, throttled)
    try:
        found = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    names = ("code", "StatusCode") if kind is Kind.FEISHU else ("errcode",)
    code = next((found[name] for name in names if name in found), None) if isinstance(found, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        return Outcome(f"answered 200 without {names[0]}: whether the message was taken is not known")
    if code == 0:
        return Outcome()
    said = str(found.get("errmsg") or found.get("msg") or "")[:_SAID]
    rest_s = _THROTTLED[kind].get(code, 0.0)
    return Outcome(f"{names[0]} {code}" + (f": {said}" if said else ""), rest_s, rest_s > 0)

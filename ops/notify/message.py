"""What a message says, apart from its language and its form: pure. It is stored in the queue like this."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from ops.doctor.finding import Finding, Severity
from router.domain.masking import mask_email, mask_phone
from router.telemetry.masking import mask_passwords

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# International ones, mobile ones of China, and whatever else has as many digits as no lead's number has.
_PHONE = re.compile(r"\+\d[\d -]{6,16}\d|(?<![\w.:-])\d{11,15}(?![\w.:-])")
_LONGEST = 600
_MOST = 100
_ORDER = list(Severity)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it is reported. `more` = so many others of the same code are about the same subject."""

    code: str
    severity: Severity
    kind: str
    subject: str
    sentence: str
    command: str | None = None
    since: datetime | None = None
    held_back: int = 0
    more: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.code, self.kind, self.subject


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand at `at` (UTC): leads that wait, the oldest since `oldest`, the doctor's top finding, and the
    last change. They are those of one tenant, or of all.
    """

    at: datetime
    waiting: int = 0
    oldest: datetime | None = None
    top: Item | None = None
    change: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`scopes` = the tenants that it is about, "" = the service as a whole; `joined` = so many messages are in it.
    `fresh` is new or got worse, `going_on` was reported before, `over` is not found any more; of them there are
    `left_out` more. `test` = somebody tries the channel.
    """

    scopes: tuple[str, ...]
    facts: Facts
    fresh: tuple[Item, ...] = ()
    going_on: tuple[Item, ...] = ()
    over: tuple[Item, ...] = ()
    joined: int = 1
    left_out: int = 0
    test: bool = False

    @property
    def severity(self) -> Severity | None:
        """The worst that it says goes on; None = nothing does."""
        return min((one.severity for one in (*self.fresh, *self.going_on)), key=_ORDER.index, default=None)


def item_of(finding: Finding, more: int = 0) -> Item:
    """The finding as it is reported: without phones, e-mail addresses and passwords, in one short line."""
    return Item(
        code=finding.code,
        severity=finding.severity,
        kind=finding.subject.kind,
        subject=finding.subject.name,
        sentence=clean(finding.sentence),
        command=None if finding.command is None else clean(finding.command),
        since=finding.since,
        held_back=finding.held_back,
        more=more,
    )


def clean(text: str) -> str:
    """`text` in one line, without what others must not see."""
    text = mask_passwords(_CONTROL.sub(" ", text)).strip()
    text = _EMAIL.sub(lambda found: mask_email(found[0]) or "", text)
    text = _PHONE.sub(lambda found: mask_phone(found[0]) or "", text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def joined(messages: Sequence[Message]) -> Message:
    """One message that says what these (in their order) say: of each finding what was said last; the facts of the last,
    where they are about the same, else those that are worst.
    """
    last: dict[tuple[str, tuple[str, str, str]], tuple[str, Item]] = {}
    for message in messages:
        scope = message.scopes[0] if len(message.scopes) == 1 else ""
        for place in ("going_on", "fresh", "over"):
            for item in getattr(message, place):
                key = (scope if item.kind == "tenant" else "", item.key)
                was = last.pop(key, None)
                # What is new and goes on is still new for whoever did not hear of it.
                stays = place == "going_on" and was is not None and was[0] == "fresh"
                last[key] = ("fresh" if stays else place, item)
    fresh, going_on, over = (
        _worst(item for place, item in last.values() if place == name) for name in ("fresh", "going_on", "over")
    )
    scopes = tuple(dict.fromkeys(scope for message in messages for scope in message.scopes))
    facts = messages[-1].facts if len(scopes) == 1 else _together(messages)
    return Message(
        scopes=scopes,
        facts=facts,
        fresh=fresh,
        going_on=going_on,
        over=over,
        joined=sum(one.joined for one in messages),
        left_out=sum(one.left_out for one in messages) + len(last) - len(fresh) - len(going_on) - len(over),
    )


def _worst(found: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.severity))[:_MOST])


def _together(messages: Sequence[Message]) -> Facts:
    latest = {message.scopes: message.facts for message in messages}
    # What is about the service has the leads of all tenants in it.
    whole = [facts for scopes, facts in latest.items() if "" in scopes]
    parts = whole or list(latest.values())
    tops = [facts.top for facts in latest.values() if facts.top is not None]
    last = max(latest.values(), key=lambda facts: facts.at)
    return Facts(
        at=last.at,
        waiting=max(facts.waiting for facts in parts) if whole else sum(facts.waiting for facts in parts),
        oldest=min((facts.oldest for facts in parts if facts.oldest is not None), default=None),
        top=min(tops, key=lambda one: (_ORDER.index(one.severity), -one.held_back), default=None),
        change=last.change,
    )

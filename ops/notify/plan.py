"""What a channel is to be notified of after a look, and what it has been notified of then: pure.

What one look finds of one tenant is one message. A channel is notified of a finding when it is new to it or got worse,
again when `repeat` is over (together with all else of the tenant that goes on), and once when it is over.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops.doctor.finding import Finding, Severity
from ops.notify.channels import Channel
from ops.notify.message import Item, item_of

_ORDER = list(Severity)
SERVICE = ""
"""The scope of what is about no single tenant."""

Key = tuple[str, str, str, str]
"""Scope, code, kind and name of the subject."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What was reported to a channel and that is not over: `severity` = the worst; `gone_at` = since when it is
    not found.
    """

    channel: str
    scope: str
    item: Item
    severity: Severity
    began_at: datetime
    reported_at: datetime
    gone_at: datetime | None = None

    @property
    def key(self) -> Key:
        return (self.scope, *self.item.key)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look found of a subject: the worst of the findings that are the same; `muted` = all of them are."""

    scope: str
    item: Item
    muted: bool

    @property
    def key(self) -> Key:
        return (self.scope, *self.item.key)


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be reported of one scope."""

    scope: str
    fresh: tuple[Item, ...] = ()
    going_on: tuple[Item, ...] = ()
    over: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """The messages for one channel, what was reported to it once they are written (`keep`), and what is over."""

    tellings: Sequence[Telling] = ()
    keep: Sequence[Alert] = ()
    over: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A finding is reported again after `repeat`; it is over when it was gone for `over_after`."""

    repeat: timedelta = timedelta(hours=4)
    over_after: timedelta = timedelta(minutes=1)


def seen_in(findings: Iterable[Finding], tenants: Collection[str]) -> list[Seen]:
    """The findings by what they are about, in the order of the doctor."""
    same: defaultdict[Key, list[Finding]] = defaultdict(list)
    for finding in findings:
        same[(scope_of(finding, tenants), finding.code, finding.subject.kind, finding.subject.name)].append(finding)
    found = []
    for (scope, *_), ones in same.items():
        audible = [one for one in ones if one.muted is None]
        worst = min(audible or ones, key=lambda one: _ORDER.index(one.severity))
        found.append(Seen(scope, item_of(worst, len(audible or ones) - 1), not audible))
    return found


def scope_of(finding: Finding, tenants: Collection[str]) -> str:
    """The tenant that the finding is about, or SERVICE."""
    name = finding.subject.name
    if finding.subject.kind == "webhook":
        name = name.rpartition("/")[0]
    elif finding.subject.kind != "tenant":
        return SERVICE
    return name if name in tenants else SERVICE


def plan(
    channel: Channel,
    seen: Sequence[Seen],
    known: Sequence[Alert],
    unchecked: Collection[str],
    at: datetime,
    rhythm: Rhythm,
) -> Planned:
    """`known` = what was reported to the channel; `unchecked` = codes that could not be looked for: they stay."""
    scopes: defaultdict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        if _hears(channel, one):
            scopes[one.scope].append(one)
    reported: defaultdict[str, dict[Key, Alert]] = defaultdict(dict)
    for alert in known:
        reported[alert.scope][alert.key] = alert
    parts = [
        _of_scope(channel, scope, scopes[scope], reported[scope], unchecked, at, rhythm)
        for scope in {**scopes, **reported}
    ]
    return Planned(
        [telling for part in parts for telling in part.tellings],
        [alert for part in parts for alert in part.keep],
        [key for part in parts for key in part.over],
    )


def _hears(channel: Channel, one: Seen) -> bool:
    """A channel does not hear of itself: it would when it works again."""
    itself = (one.item.kind, one.item.subject) == ("channel", channel.name)
    return not itself and (not channel.tenants or one.scope in channel.tenants)


def _of_scope(
    channel: Channel,
    scope: str,
    seen: Sequence[Seen],
    reported: Mapping[Key, Alert],
    unchecked: Collection[str],
    at: datetime,
    rhythm: Rhythm,
) -> Planned:
    present = {one.key: one for one in seen}
    loud = [one for one in seen if not one.muted and _ORDER.index(one.item.severity) <= _ORDER.index(channel.minimum)]
    fresh = [one for one in loud if one.key not in reported or _worse(one.item, reported[one.key])]
    due = any(at - reported[one.key].reported_at >= rhythm.repeat for one in loud if one.key in reported)
    gone = {key: alert for key, alert in reported.items() if key not in present and alert.item.code not in unchecked}
    over = [alert for alert in gone.values() if alert.gone_at is not None and at - alert.gone_at >= rhythm.over_after]
    over += [alert for alert in gone.values() if alert.gone_at is None and not rhythm.over_after]
    speaks = bool(fresh or due or over)
    going_on = [one for one in loud if one not in fresh]
    keep = [
        _reported(channel, one, reported.get(one.key), at, now=bool(fresh or due))
        for one in loud
        if fresh or due or reported[one.key].gone_at
    ]
    keep += [replace(alert, gone_at=at) for alert in gone.values() if alert.gone_at is None and alert not in over]
    keep += [
        replace(reported[one.key], gone_at=None)
        for one in seen
        if one not in loud and one.key in reported and reported[one.key].gone_at
    ]
    telling = Telling(scope, _items(fresh), _items(going_on), tuple(alert.item for alert in over))
    return Planned([telling] if speaks else [], keep, [alert.key for alert in over])


def _items(seen: Iterable[Seen]) -> tuple[Item, ...]:
    return tuple(one.item for one in seen)


def _worse(item: Item, alert: Alert) -> bool:
    return _ORDER.index(item.severity) < _ORDER.index(alert.severity)


def _reported(channel: Channel, one: Seen, before: Alert | None, at: datetime, *, now: bool) -> Alert:
    if before is None:
        return Alert(channel.name, one.scope, one.item, one.item.severity, at, at)
    worst = min(before.severity, one.item.severity, key=_ORDER.index)
    return replace(before, item=one.item, severity=worst, reported_at=at if now else before.reported_at, gone_at=None)

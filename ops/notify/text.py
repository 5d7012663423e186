"""A message as people read it, in their language, at most so many bytes long: pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ops.doctor.finding import Severity
from ops.notify.message import Facts, Item, Message
from ops.notify.titles import TITLES
from ops.text.translation import N_, Say
from router.domain.phrases import listed
from router.domain.written_time import written

_SEVERITIES = {Severity.CRITICAL: N_("critical"), Severity.WARNING: N_("warning"), Severity.INFO: N_("info")}


def subject(message: Message, say: Say) -> str:
    """In one line: how bad it is, of whom, and how much of it."""
    whom = listed([scope or say.gettext("the service") for scope in message.scopes], 3)
    if message.test:
        return f"[lead-router] {say.gettext('test')}: {whom}"
    worst = message.severity
    state = say.gettext("over") if worst is None else say.gettext(_SEVERITIES[worst])
    return f"[lead-router] {state}: {whom}: {_counts(message, say)}"


def _counts(message: Message, say: Say) -> str:
    parts = [
        say.gettext(words).format(count=len(items))
        for words, items in (
            (N_("{count} new"), message.fresh),
            (N_("{count} going on"), message.going_on),
            (N_("{count} over"), message.over),
        )
        if items
    ]
    return ", ".join(parts)


def body(message: Message, ident: str, say: Say, runbooks: str = "", mention: str = "") -> str:
    """All of it; what is needed most stands first, so that cutting takes what is needed least.

    `ident` is the message's id, `runbooks` the URL of their folder, `mention` names people at the end of the
    first part.
    """
    lines = [*_head(message, say, runbooks), say.gettext("message {id}").format(id=ident)]
    if mention:
        lines.append(mention)
    for title, items in (
        (N_("New:"), message.fresh),
        (N_("Going on:"), message.going_on),
        (N_("Over:"), message.over),
    ):
        if items:
            lines += ["", say.gettext(title), *(line for item in items for line in _item(item, say))]
    if message.left_out:
        lines += ["", say.gettext("and {count} more: lead-router doctor").format(count=message.left_out)]
    return "\n".join(lines)


def _head(message: Message, say: Say, runbooks: str) -> Iterator[str]:
    if message.test:
        yield say.gettext("This is a test. Nothing has to be done.")
    if message.joined > 1:
        yield say.gettext("Summary of {count} messages, for which there was no room.").format(count=message.joined)
    yield _waiting(message.facts, say)
    top = message.facts.top
    if top is None:
        yield say.gettext("Doctor: nothing is wrong.")
        yield say.gettext("Runbooks: {place}").format(place=runbooks or "runbooks/README.md")
    else:
        yield say.gettext("Doctor's top finding: {finding}").format(finding=_named(top, say))
        command = top.command or "lead-router doctor"
        yield say.gettext("Fix: {command}").format(command=command)
        yield say.gettext("Runbook: {place}").format(place=runbook(top.code, runbooks))
    yield say.gettext("Last change: {change}").format(
        change=message.facts.change or say.gettext("none in the last 7 days")
    )


def _waiting(facts: Facts, say: Say) -> str:
    if facts.oldest is None:
        return say.gettext("Leads waiting: {count}").format(count=f"{facts.waiting:,}")
    age = _age((facts.at - facts.oldest).total_seconds(), say)
    return say.gettext("Leads waiting: {count}, the oldest for {age}").format(count=f"{facts.waiting:,}", age=age)


def _age(seconds: float, say: Say) -> str:
    """In the two largest units that matter."""
    minutes = max(0, int(seconds)) // 60
    if minutes == 0:
        return say.gettext("{seconds} s").format(seconds=max(0, int(seconds)))
    if minutes < 60:
        return say.gettext("{minutes} min").format(minutes=minutes)
    if minutes < 24 * 60:
        return say.gettext("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
    return say.gettext("{days} d {hours} h").format(days=minutes // (24 * 60), hours=minutes // 60 % 24)


def _item(item: Item, say: Say) -> Iterator[str]:
    since = "" if item.since is None else " " + say.gettext("since {time}").format(time=_minute(item.since))
    more = "" if not item.more else " " + say.gettext("({count} more like this)").format(count=item.more)
    yield f"- {say.gettext(_SEVERITIES[item.severity])}: {_named(item, say)}{since}{more}"
    if item.command:
        yield f"  {item.command}"


def _named(item: Item, say: Say) -> str:
    title = TITLES.get(item.code)
    # English says it in the sentence.
    before = f"{say.gettext(title)}: " if title is not None and say.gettext(title) != title else ""
    about = f"{item.subject}: " if item.kind == "tenant" else ""
    return f"{before}{about}{item.sentence} [{item.code}]"


def _minute(moment: datetime) -> str:
    return written(moment)


def runbook(code: str, base: str) -> str:
    """Where the page of a code is."""
    return f"{base or 'runbooks/'}{code}.md"


def cut(text: str, most: int, mark: str) -> str:
    """`text` with at most `most` bytes of UTF-8; what was cut off is replaced by `mark`, which must fit."""
    data = text.encode("utf-8")
    if len(data) <= most:
        return text
    room = most - len(mark.encode("utf-8"))
    if room < 0:
        raise ValueError(f"{most} bytes have no room for the mark")
    # Only the last character can have lost bytes.
    return data[:room].decode("utf-8", errors="ignore") + mark


def cut_mark(say: Say) -> str:
    """What stands where a message was cut."""
    return "\n" + say.gettext("… (cut: too long for this channel; lead-router doctor shows all)")


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of these."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text

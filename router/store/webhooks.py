"""Webhooks as they are stored: endpoints and their secrets, who delivers to which, how far, and what was put off."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from router.domain.phrases import count
from router.domain.worded import worded
from router.store.changes import Change, record_change
from router.store.leads import database_clock
from router.store.statements import Connection, Row, load
from router.store.transactions import retried

_SQL = load("webhooks")


_WORD = re.compile(r"/[A-Za-z_-]{1,12}(/|$)")
GONE = "the endpoint answered 410: it is gone"


class WebhookUnknown(LookupError):
    """The tenant has no webhook of this number; the message says which it has."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint and how it fares. `types` None = all; `behind_since` = when the oldest event happened that it has not
    got (None = it has all); `waiting` events are tried again, `dead` ones given up; `held` = somebody delivers.
    """

    tenant_id: int
    webhook_no: int
    url: str
    types: Sequence[str] | None
    allow_private: bool
    note: str
    created_at: datetime
    enabled: bool
    disabled_why: str | None
    position: int
    place: int
    delivered: int
    delivered_at: datetime | None
    failures: int
    failing_since: datetime | None
    last_error: str | None
    missed_upto: int | None
    held: bool
    secrets: int
    waiting: int
    dead: int
    behind_since: datetime | None

    @property
    def fails(self) -> bool:
        """Its last attempts failed, or it said that it is gone."""
        return self.failing_since is not None if self.enabled else self.disabled_why == GONE


def shown_url(url: str) -> str:
    """Scheme, host and port, and a plain word with which the path begins: what follows may be a secret, as with Slack
    and Zapier, and so may the query be.
    """
    parts = urlsplit(url)
    begin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    word = _WORD.match(parts.path)
    shown = word[0] if word else parts.path[:1]
    return begin + shown + ("" if url.endswith(begin[begin.index("://") :] + shown) else "…")


AGES_S = (60.0, 300.0, 1800.0, 7200.0)
"""What an endpoint has not got is counted by how long ago it happened: younger than the first, between two, older."""
_ROWS_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What an endpoint has not got: numbers of events by age, one more than there are AGES_S; `all_seen` False = there
    are more than were counted.
    """

    events: Sequence[int]
    all_seen: bool


async def undelivered(conn: Connection, one: Webhook) -> Undelivered:
    """Of the feed and of what waits for another attempt."""
    rows = await _SQL.undelivered.fetch(
        conn,
        tenant_id=one.tenant_id,
        webhook_no=one.webhook_no,
        position=one.position,
        place=one.place,
        types=one.types,
        ages_s=list(AGES_S),
        limit=_ROWS_COUNTED,
    )
    found = {row["age"]: row["events"] for row in rows}
    counts = [found.get(age, 0) for age in range(len(AGES_S) + 1)]
    return Undelivered(counts, sum(row["rows"] for row in rows) < _ROWS_COUNTED)


def _named(webhook_no: int) -> str:
    return f"webhook {webhook_no}"


async def webhooks_of(conn: Connection, tenant_ids: Sequence[int]) -> list[Webhook]:
    """The endpoints of these tenants."""
    return [Webhook(**dict(row.items())) for row in await _SQL.all.fetch(conn, tenant_ids=tenant_ids)]


async def webhook_numbered(conn: Connection, tenant_id: int, webhook_no: int) -> Webhook:
    """Raises WebhookUnknown."""
    known = await webhooks_of(conn, [tenant_id])
    for one in known:
        if one.webhook_no == webhook_no:
            return one
    numbers = ", ".join(str(one.webhook_no) for one in known) or worded("none")
    raise WebhookUnknown(
        worded("there is no webhook {number}; the tenant's webhooks: {numbers}", number=webhook_no, numbers=numbers)
    )


@retried
async def add(
    conn: Connection,
    tenant_id: int,
    url: str,
    types: Sequence[str] | None,
    secret: str,
    after: tuple[int, int],
    *,
    allow_private: bool,
    note: str,
    actor: str,
) -> int:
    """Stores an endpoint that gets events after a place in the order, with its secret; returns its number. Recorded."""
    async with conn.transaction():
        number = int(
            await _SQL.add.value(
                conn,
                tenant_id=tenant_id,
                url=url,
                types=types,
                allow_private=allow_private,
                note=note,
                position=after[0],
                place=after[1],
            )
        )
        await _SQL.add_secret.execute(conn, tenant_id=tenant_id, webhook_no=number, secret=secret)
        what = f"{shown_url(url)}, {', '.join(types) if types else 'all events'}"
        await record_change(conn, tenant_id, Change(actor, "webhook add", _named(number), "", what, note))
    return number


@retried
async def rotate(
    conn: Connection, tenant_id: int, webhook_no: int, secret: str, overlap: timedelta, actor: str, why: str
) -> datetime:
    """Adds a secret; those before sign beside it until the returned time (UTC). Raises WebhookUnknown. Recorded."""
    async with conn.transaction():
        await webhook_numbered(conn, tenant_id, webhook_no)
        ends_at = await database_clock(conn) + overlap
        key = {"tenant_id": tenant_id, "webhook_no": webhook_no}
        await _SQL.forget_secrets.execute(conn, **key)
        await _SQL.end_secrets.execute(conn, **key, ends_at=ends_at)
        await _SQL.add_secret.execute(conn, **key, secret=secret)
        await _SQL.touch.execute(conn, **key)
        after = f"new secret; earlier ones sign until {ends_at.isoformat(timespec='seconds')}"
        await record_change(conn, tenant_id, Change(actor, "webhook rotate", _named(webhook_no), "", after, why))
    return ends_at


@retried
async def switch(
    conn: Connection,
    tenant_id: int,
    webhook_no: int,
    actor: str,
    why: str,
    *,
    enabled: bool,
    after: tuple[int, int] | None = None,
) -> None:
    """Enables or disables an endpoint, and moves it to a place in the order. Raises WebhookUnknown. Recorded."""
    async with conn.transaction():
        before = await webhook_numbered(conn, tenant_id, webhook_no)
        said = why or f"by {actor}"
        await _SQL.switch.row(conn, tenant_id=tenant_id, webhook_no=webhook_no, enabled=enabled, why=said)
        if after is not None:
            await go_to(conn, tenant_id, webhook_no, after)
            await _SQL.drop_waiting.execute(
                conn, tenant_id=tenant_id, webhook_no=webhook_no, position=after[0], place=after[1]
            )
        words = {True: "enabled", False: "disabled"}
        change = Change(actor, "webhook", _named(webhook_no), words[before.enabled], words[enabled], why)
        await record_change(conn, tenant_id, change)


@retried
async def remove(conn: Connection, tenant_id: int, webhook_no: int, actor: str, why: str) -> None:
    """Removes an endpoint and what waits for it. Raises WebhookUnknown. Recorded."""
    async with conn.transaction():
        before = await webhook_numbered(conn, tenant_id, webhook_no)
        await _SQL.remove.row(conn, tenant_id=tenant_id, webhook_no=webhook_no)
        change = Change(actor, "webhook remove", _named(webhook_no), shown_url(before.url), "", why)
        await record_change(conn, tenant_id, change)


async def go_to(conn: Connection, tenant_id: int, webhook_no: int, after: tuple[int, int]) -> None:
    """Moves an endpoint to a place in the order: it gets all that comes after, once more where it had it."""
    await _SQL.go_to.execute(conn, tenant_id=tenant_id, webhook_no=webhook_no, position=after[0], place=after[1])


@dataclass(frozen=True, slots=True)
class Redelivery:
    """What is delivered again: so many `events`. `gone` = so many are past the retention of events; `unknown` = so many
    never were.
    """

    events: int
    gone: int = 0
    unknown: int = 0


@retried
async def deliver_again(
    conn: Connection, tenant_id: int, webhook_no: int, events: Sequence[tuple[int, int]] | None, actor: str, why: str
) -> Redelivery:
    """Has events delivered again, each (number, place in its row), None = all dead ones. Recorded."""
    async with conn.transaction():
        await webhook_numbered(conn, tenant_id, webhook_no)
        key = {"tenant_id": tenant_id, "webhook_no": webhook_no}
        found = await (_dead_again(conn, key) if events is None else _again(conn, key, set(events)))
        if found.events:
            await _SQL.touch.execute(conn, **key)
            change = Change(actor, "webhook redeliver", _named(webhook_no), "", count(found.events, "event"), why)
            await record_change(conn, tenant_id, change)
    return found


async def _dead_again(conn: Connection, key: dict[str, int]) -> Redelivery:
    row = await _SQL.dead_again.row(conn, **key)
    assert row is not None
    return Redelivery(row["events"], row["gone"])


async def _again(conn: Connection, key: dict[str, int], events: set[tuple[int, int]]) -> Redelivery:
    ordered = sorted(events)
    numbers, places = [no for no, _ in ordered], [place for _, place in ordered]
    rows = await _SQL.again.fetch(conn, **key, event_nos=numbers, places=places)
    missing = events - {(row["event_no"], row["place"]) for row in rows}
    oldest = await _SQL.oldest_event.value(conn, tenant_id=key["tenant_id"])
    gone = sum(number < oldest for number, _ in missing)
    return Redelivery(len(rows), gone, len(missing) - gone)


async def remove_dead(conn: Connection, tenant_id: int, limit: int) -> int:
    """Removes at most `limit` dead events that are past the retention of events and could not be delivered again;
    returns how many. Their webhooks have missed them, which is a finding until a person enables them anew.
    """
    return int(await _SQL.remove_dead.value(conn, tenant_id=tenant_id, limit=limit))


async def secrets_of(conn: Connection, tenant_id: int, webhook_no: int) -> list[str]:
    """What signs now, the newest first. Never show it."""
    return [row[0] for row in await _SQL.secrets.fetch(conn, tenant_id=tenant_id, webhook_no=webhook_no)]


async def dead_of(conn: Connection, tenant_id: int, webhook_no: int, limit: int) -> Sequence[Row]:
    """Rows of (event_no, place, lead_id, attempts, error, since) of events that were given up, the latest first."""
    return await _SQL.dead.fetch(conn, tenant_id=tenant_id, webhook_no=webhook_no, limit=limit)


@dataclass(frozen=True, slots=True)
class Working:
    """An endpoint that is ours to deliver to; `last_position` = where the tenant's feed stands, `unplaced` = there are
    events without a place in it; it is ours for `ours_s` seconds more.
    """

    tenant_id: int
    webhook_no: int
    url: str
    types: Sequence[str] | None
    allow_private: bool
    version: int
    position: int
    place: int
    failures: int
    tenant: str
    last_position: int
    unplaced: bool
    ours_s: float

    @property
    def key(self) -> tuple[int, int]:
        return (self.tenant_id, self.webhook_no)


async def take_working(conn: Connection, me: int, lease_s: float, among: Sequence[int] | None = None) -> list[Working]:
    """Takes endpoints that no process delivers to, keeps ours, for `lease_s` from now. `me` = this process's number;
    of all tenants, or `among` these.
    """
    if among is None:
        await _SQL.claim.execute(conn, me=me, lease_s=lease_s)
        return [Working(*row) for row in await _SQL.working.fetch(conn, me=me)]
    ids = list(among)
    await _SQL.claim_among.execute(conn, me=me, lease_s=lease_s, tenant_ids=ids)
    return [Working(*row) for row in await _SQL.working_among.fetch(conn, me=me, tenant_ids=ids)]


async def release(conn: Connection, me: int, working: Working) -> None:
    """Leaves the endpoint to others."""
    await _SQL.release.execute(conn, me=me, tenant_id=working.tenant_id, webhook_no=working.webhook_no)


@dataclass(frozen=True, slots=True)
class PutOff:
    """An event that was not taken: tried again in `wait_s` seconds (None = it is behind an earlier one of its lead), or
    dead.
    """

    event: tuple[int, int]
    position: int
    lead_id: int
    attempts: int
    wait_s: float | None
    error: str
    dead: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an endpoint has come: all up to `after` was delivered or is put off; `taken` were put off before.
    `failures` in a row; `error` = the last one since the progress before (None = there was none).
    """

    after: tuple[int, int]
    delivered: int
    failures: int
    error: str | None
    put_off: Sequence[PutOff]
    taken: Sequence[tuple[int, int]]


async def save_progress(conn: Connection, me: int, working: Working, progress: Progress) -> bool:
    """In one transaction; False when the endpoint is not ours any more, or somebody changed it: begin anew."""
    key = {"tenant_id": working.tenant_id, "webhook_no": working.webhook_no}
    async with conn.transaction():
        version = await _SQL.progress.value(
            conn,
            me=me,
            **key,
            position=progress.after[0],
            place=progress.after[1],
            delivered=progress.delivered,
            failures=progress.failures,
            failing=progress.failures > 0,
            error=progress.error,
        )
        if version is None:
            return False
        await _save_put_off(conn, key, progress.put_off)
        if progress.taken:
            numbers, places = [no for no, _ in progress.taken], [place for _, place in progress.taken]
            await _SQL.taken.execute(conn, **key, event_nos=numbers, places=places)
    return bool(version == working.version)


async def _save_put_off(conn: Connection, key: dict[str, int], rows: Sequence[PutOff]) -> None:
    if not rows:
        return
    await _SQL.put_off.execute(
        conn,
        **key,
        event_nos=[one.event[0] for one in rows],
        places=[one.event[1] for one in rows],
        positions=[one.position for one in rows],
        lead_ids=[one.lead_id for one in rows],
        states=["dead" if one.dead else "waiting" for one in rows],
        attempts=[one.attempts for one in rows],
        waits_s=[one.wait_s for one in rows],
        errors=[one.error.replace("\x00", "") for one in rows],
    )


async def put_off_lines(
    conn: Connection, working: Working, not_these: Sequence[int], limit: int, *, due_only: bool
) -> Sequence[Row]:
    """Rows of (event_no, place, position, lead_id, attempts, wait_s), in order, of all events that wait of at most
    `limit` leads: of those whose next attempt is due first (`due_only` = now), but for leads `not_these`. `wait_s` =
    seconds until the next attempt, None = the event is behind an earlier one of its lead.
    """
    key = {"tenant_id": working.tenant_id, "webhook_no": working.webhook_no}
    async with conn.transaction():
        await _SQL.along_the_index.execute(conn)
        return await _SQL.put_off_lines.fetch(conn, **key, not_these=not_these, due_only=due_only, limit=limit)


async def waiting_of_leads(
    conn: Connection, working: Working, lead_ids: Sequence[int]
) -> dict[int, set[tuple[int, int]]]:
    """Of these leads, those with events that wait for another attempt: (event number, place in its row) of each."""
    found: dict[int, set[tuple[int, int]]] = {}
    key = {"tenant_id": working.tenant_id, "webhook_no": working.webhook_no}
    async with conn.transaction():
        await _SQL.along_the_index.execute(conn)
        rows = await _SQL.waiting_of_leads.fetch(conn, **key, lead_ids=lead_ids)
    for row in rows:
        found.setdefault(row["lead_id"], set()).add((row["event_no"], row["place"]))
    return found


async def bury(conn: Connection, working: Working, events: Sequence[tuple[int, int]], error: str) -> None:
    """Gives up events that were put off."""
    if events:
        await _SQL.bury.execute(
            conn,
            tenant_id=working.tenant_id,
            webhook_no=working.webhook_no,
            event_nos=[no for no, _ in events],
            places=[place for _, place in events],
            error=error,
        )


async def disable_gone(conn: Connection, me: int, working: Working) -> None:
    """The endpoint said that it is gone for good; recorded."""
    async with conn.transaction():
        key = {"tenant_id": working.tenant_id, "webhook_no": working.webhook_no}
        await _SQL.disable_gone.execute(conn, me=me, **key, why=GONE)
        change = Change("lead-router", "webhook", _named(working.webhook_no), "enabled", "disabled", GONE)
        await record_change(conn, working.tenant_id, change)


async def note_missed(conn: Connection, me: int, working: Working, upto: int) -> None:
    """Events up to this position were removed before they could be delivered; the endpoint goes on after them."""
    await _SQL.missed.execute(conn, me=me, tenant_id=working.tenant_id, webhook_no=working.webhook_no, upto=upto)

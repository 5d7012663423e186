"""The notifier as it is stored: looks, how channels fare, what was reported to them, and the queue of messages.

Channels belong to the service: all rows have the tenant number 0. No address and no secret is in any of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("notify")

QUEUE_READ = 500
"""So many messages of a channel are read at a time; more are joined bit by bit."""
_UNSEEN_S = 7 * 86_400.0
_KEY = ("channels", "scopes", "codes", "kinds", "subjects")
_ALERT = (*_KEY, "severities", "items", "began_ats", "reported_ats", "gone_ats")


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a channel fares; times are UTC, None = never. `waiting` messages are in its queue, made since `oldest`."""

    channel: str
    kind: str
    seen_at: datetime
    held: bool
    attempts: Sequence[datetime]
    rests_until: datetime | None
    succeeded_at: datetime | None
    failures: int
    failing_since: datetime | None
    failed_at: datetime | None
    last_error: str | None
    given_up_at: datetime | None
    waiting: int
    oldest: datetime | None


class AlertRow(NamedTuple):
    """What was reported to a channel; `item` is JSON."""

    channel: str
    scope: str
    code: str
    kind: str
    subject: str
    severity: str
    item: str
    began_at: datetime
    reported_at: datetime
    gone_at: datetime | None


class NewMessage(NamedTuple):
    """A message for the queue; `body` is JSON."""

    id: str
    channel: str
    body: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the queue."""

    number: int
    id: str
    body: str
    made_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A channel that is ours at `now` (database's clock): recent `attempts`, `failures` in a row, and for how many
    seconds it is to be left alone (0 = it can be sent to).
    """

    attempts: Sequence[datetime]
    failures: int
    now: datetime
    rests_s: float


async def begin_look(conn: Connection, every_s: float) -> int | None:
    """The number of a look that is this instance's, None = another one has looked within `every_s`."""
    number: int | None = await _SQL.look_begins.value(conn, every_s=every_s)
    return number


async def see_channels(conn: Connection, channels: Sequence[tuple[str, str]]) -> None:
    """Notes which channels (name, kind) there are, and forgets those that nobody has had for a week."""
    names, kinds = [name for name, _ in channels], [kind for _, kind in channels]
    async with conn.transaction():
        await _SQL.see.execute(conn, channels=names, kinds=kinds)
        if await _SQL.forget.execute(conn, unseen_s=_UNSEEN_S):
            await _SQL.forget_alerts.execute(conn)
            await _SQL.forget_messages.execute(conn)


async def channel_states(conn: Connection) -> list[ChannelState]:
    """All channels that are or lately were configured."""
    return [ChannelState(**dict(row.items())) for row in await _SQL.channels.fetch(conn)]


async def reported_alerts(conn: Connection, channels: Sequence[str]) -> list[AlertRow]:
    """What was reported to these channels and is not over."""
    return [AlertRow(*row) for row in await _SQL.alerts.fetch(conn, channels=channels)]


@retried
async def write_look(
    conn: Connection,
    look_no: int,
    messages: Sequence[NewMessage],
    keep: Sequence[AlertRow],
    over: Sequence[tuple[str, str, str, str, str]],
) -> bool:
    """Queues messages and notes what they tell, in one transaction; False = another instance has looked since.

    `over` = (channel, scope, code, kind, subject) of what is over.
    """
    async with conn.transaction():
        if await _SQL.look_ends.value(conn, look_no=look_no) is None:
            return False
        if keep:
            await _SQL.keep.execute(conn, **dict(_columns(_ALERT, keep)))
        if over:
            await _SQL.over.execute(conn, **dict(_columns(_KEY, over)))
        if messages:
            await _SQL.add.execute(conn, **dict(_columns(("ids", "channels", "bodies"), messages)))
    return True


def _columns(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> list[tuple[str, list[object]]]:
    return [(name, [row[at] for row in rows]) for at, name in enumerate(names)]


async def channels_with_work(conn: Connection, channels: Sequence[str], me: int) -> list[str]:
    """Of these channels those that have something to send, and that nobody else sends to."""
    return [row[0] for row in await _SQL.with_work.fetch(conn, channels=channels, me=me)]


async def take(conn: Connection, channel: str, me: int, lease_s: float) -> Taken | None:
    """Takes or keeps the channel for `lease_s`; None = somebody else has it. In the caller's transaction."""
    row = await _SQL.take.row(conn, channel=channel, me=me, lease_s=lease_s)
    return None if row is None else Taken(row["attempts"], row["failures"], row["now"], max(0.0, row["rests_s"] or 0.0))


async def queue_of(conn: Connection, channel: str) -> list[Queued]:
    """The messages for a channel, at most QUEUE_READ, in the order in which they are to be sent."""
    return [Queued(*row) for row in await _SQL.queue.fetch(conn, channel=channel, limit=QUEUE_READ)]


async def replace(conn: Connection, numbers: Sequence[int], message: NewMessage, made_at: datetime) -> None:
    """Joins messages to one."""
    await _SQL.replace.execute(conn, numbers=numbers, made_at=made_at, **message._asdict())


async def give_up(conn: Connection, channel: str, numbers: Sequence[int]) -> None:
    """Drops messages that are too old to be sent, and notes that there were some."""
    await _SQL.drop.execute(conn, numbers=numbers)
    await _SQL.give_up.execute(conn, channel=channel)


async def spend(conn: Connection, channel: str, attempts: Sequence[datetime]) -> None:
    """Notes the attempts that rate limits count."""
    await _SQL.spend.execute(conn, channel=channel, attempts=attempts)


@retried
async def worked(conn: Connection, channel: str, number: int | None) -> None:
    """The message was taken, None = one that was in no queue."""
    async with conn.transaction():
        await _SQL.worked.execute(conn, channel=channel)
        if number is not None:
            await _SQL.drop.execute(conn, numbers=[number])


@retried
async def failed(conn: Connection, channel: str, number: int | None, error: str, rest_s: float) -> None:
    """It was not; nothing is sent to the channel for `rest_s`."""
    async with conn.transaction():
        await _SQL.failed.execute(conn, channel=channel, error=error.replace("\x00", ""), rest_s=rest_s)
        if number is not None:
            await _SQL.put_off.execute(conn, number=number)


async def release(conn: Connection, me: int) -> None:
    """Leaves all channels to others."""
    await _SQL.release.execute(conn, me=me)


async def attempts_of(conn: Connection, channel: str) -> tuple[Sequence[datetime], datetime]:
    """The attempts that rate limits count, and the database's time. Locks the row."""
    [row] = await _SQL.attempts.fetch(conn, channel=channel)
    return row["attempts"], row["now"]

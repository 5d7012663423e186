"""The service that looks for what channels are to be notified of: one of all instances does, as often as is set."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from ops.doctor.current import mutes_of
from ops.doctor.finding import Finding, Severity
from ops.doctor.look import Checked, examine, findings_of
from ops.doctor.mutes import with_mutes
from ops.doctor.scene import open_scene
from ops.notify.channels import Channel
from ops.notify.facts import facts_of
from ops.notify.message import Facts, Item, Message
from ops.notify.plan import Alert, Planned, Rhythm, plan, seen_in
from router.drain.presence import Presence
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.settings.model import NotifySettings
from router.store import notify as store
from router.store.connections.connections import Connections, Part
from router.store.notify import AlertRow, NewMessage
from router.store.statements import Connection
from router.store.transactions import DUTY_LOCK_TIMEOUT_S, with_lock_timeout
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_SHARE = 0.2
"""At most this share of the time goes into looking."""
_LONGEST_REST_S = 30.0


class NotifyLookService(Periodic):
    """`presence` makes what hears who is present; `ids` makes an id that no other message has."""

    name = "notify look"
    failing = "cannot look for what to notify of"

    def __init__(
        self,
        connections: Connections,
        settings: NotifySettings,
        channels: Sequence[Channel],
        instruments: Instruments,
        presence: Callable[[], Presence],
        ids: Callable[[], str],
    ) -> None:
        self.interval_s = settings.look_every_s
        self._connections = connections
        self._settings = settings
        self._channels = channels
        self._instruments = instruments
        self._presence = presence
        self._ids = ids
        self._rhythm = Rhythm(timedelta(seconds=settings.repeat_s), timedelta(seconds=settings.over_after_s))

    async def once(self, life: Lifeline) -> None:
        """Looks, if no other instance did."""
        begin = asyncio.get_running_loop().time()
        async with self._connections.acquire(Part.DUTIES) as lent:
            conn = with_lock_timeout(lent, DUTY_LOCK_TIMEOUT_S)
            await store.see_channels(conn, [(one.name, one.kind.value) for one in self._channels])
            number = await store.begin_look(conn, 0.9 * self._settings.look_every_s)
            if number is not None:
                await look(conn, number, self._channels, self._presence, self._rhythm, self._ids)
            await self._show(conn)
        took_s = asyncio.get_running_loop().time() - begin
        self.interval_s = max(self._settings.look_every_s, min(took_s / _SHARE, _LONGEST_REST_S))

    async def _show(self, conn: Connection) -> None:
        ours = {one.name for one in self._channels}
        for state in await store.channel_states(conn):
            if state.channel in ours:
                self._instruments.notify.queue(state.channel, state.waiting, failing=state.failing_since is not None)


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found at `at` (UTC), and the facts of the scopes that have messages."""

    at: datetime
    planned: dict[str, Planned]
    facts: dict[str, Facts]


async def look(
    conn: Connection,
    number: int,
    channels: Sequence[Channel],
    presence: Callable[[], Presence],
    rhythm: Rhythm,
    ids: Callable[[], str],
) -> bool:
    """Looks at all tenants and queues what is to be reported; False = another instance has begun a look since."""
    names = [one.name for one in channels]
    reported = [_alert(row) for row in await store.reported_alerts(conn, names)]
    found = await _find(conn, channels, reported, presence, rhythm)
    messages = [
        NewMessage(ids(), name, encoded(message))
        for name, planned in found.planned.items()
        for message in messages_of(planned, found.facts)
    ]
    keep = [_row(alert) for planned in found.planned.values() for alert in planned.keep]
    over = [(name, *key) for name, planned in found.planned.items() for key in planned.over]
    if not await store.write_look(conn, number, messages, keep, over):
        log.info("another instance has looked meanwhile; what this one found is left to it")
        return False
    if messages:
        log.info("messages queued", messages=len(messages), channels=sorted({one.channel for one in messages}))
    return True


async def _find(
    conn: Connection,
    channels: Sequence[Channel],
    reported: Sequence[Alert],
    presence: Callable[[], Presence],
    rhythm: Rhythm,
) -> Found:
    async with (
        aclosing(presence()) as present,
        open_scene(conn, None, None, present, lambda: datetime.now(UTC), DUTY_LOCK_TIMEOUT_S, partly=True) as scene,
    ):
        # Of whom nothing can be read, what was reported stays as it is.
        reported = [one for one in reported if one.scope not in scene.away]
        results = await examine(scene)
        findings = with_mutes(findings_of(results), await mutes_of(scene), scene.at)
        tenants = {tenant.name for tenant in scene.tenants}
        planned = plan_all(channels, findings, results, reported, tenants, scene.at, rhythm)
        scopes = {telling.scope for one in planned.values() for telling in one.tellings}
        return Found(scene.at, planned, await facts_of(scene, findings, scopes))


def plan_all(
    channels: Sequence[Channel],
    findings: Sequence[Finding],
    results: Sequence[Checked],
    reported: Sequence[Alert],
    tenants: set[str],
    at: datetime,
    rhythm: Rhythm,
) -> dict[str, Planned]:
    """By channel. What could not be checked stays as it was reported."""
    seen = seen_in(findings, tenants)
    unchecked = {one.code for one in results if one.failure is not None}
    before = {channel.name: [one for one in reported if one.channel == channel.name] for channel in channels}
    return {channel.name: plan(channel, seen, before[channel.name], unchecked, at, rhythm) for channel in channels}


def messages_of(planned: Planned, facts: dict[str, Facts]) -> list[Message]:
    """One for each scope that has something to be reported."""
    return [
        Message(scopes=(one.scope,), facts=facts[one.scope], fresh=one.fresh, going_on=one.going_on, over=one.over)
        for one in planned.tellings
    ]


def encoded(message: Message) -> str:
    """As it is stored."""
    return msgspec.json.encode(message).decode().replace("\\u0000", "")


def _alert(row: AlertRow) -> Alert:
    item = msgspec.json.decode(row.item, type=Item)
    return Alert(row.channel, row.scope, item, Severity(row.severity), row.began_at, row.reported_at, row.gone_at)


def _row(alert: Alert) -> AlertRow:
    item = msgspec.json.encode(alert.item).decode().replace("\\u0000", "")
    times = (alert.began_at, alert.reported_at, alert.gone_at)
    return AlertRow(alert.channel, alert.scope, *alert.item.key, alert.severity.value, item, *times)

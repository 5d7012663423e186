"""A test message: what it says, how it looks, and sending it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ops.doctor.current import look
from ops.doctor.scene import open_scene
from ops.notify.channels import Channel, Kind
from ops.notify.facts import facts_of
from ops.notify.message import Message
from ops.notify.pace import remembered, windows
from ops.notify.plan import SERVICE
from ops.notify.robots import Outcome, robot_text
from ops.notify.text import body, subject
from ops.notify.transport import Transport
from ops.text.translation import translator
from router.drain.presence import Presence
from router.settings.model import NotifySettings
from router.store import notify as store
from router.store.statements import Connection


async def test_message(conn: Connection, presence: Presence, channel: Channel) -> Message:
    """How things stand now, of the channel's tenants or of all."""
    async with open_scene(conn, None, None, presence, lambda: datetime.now(UTC)) as scene:
        findings = await look(scene)
        scopes: Sequence[str] = channel.tenants[:1] or (SERVICE,)
        facts = await facts_of(scene, findings, scopes)
    return Message(scopes=tuple(scopes), facts=facts[scopes[0]], test=True)


def shown_text(channel: Channel, message: Message, ident: str) -> str:
    """What people will read."""
    if channel.kind in (Kind.EMAIL, Kind.WEBHOOK):
        say = translator(channel.language)
        return f"{subject(message, say)}\n{body(message, ident, say, channel.runbooks)}"
    return robot_text(channel, message, ident)


async def attempt(
    conn: Connection, channel: Channel, message: Message, ident: str, settings: NotifySettings
) -> Outcome:
    """Sends it at once, whatever waits, and notes how it went. Only what asks for rest gets some."""
    await store.see_channels(conn, [(channel.name, channel.kind.value)])
    async with conn.transaction():
        attempts, now = await store.attempts_of(conn, channel.name)
        await store.spend(conn, channel.name, remembered(attempts, now, windows(channel.kind, settings.timeout_s)))
    transport = Transport(settings.timeout_s)
    try:
        outcome = await transport.send(channel, message, ident)
    finally:
        await transport.close()
    if outcome.error is None:
        await store.worked(conn, channel.name, None)
    else:
        await store.failed(conn, channel.name, None, outcome.error, outcome.rest_s)
    return outcome

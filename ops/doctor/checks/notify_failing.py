"""A notification channel takes no messages, or messages for it became too old."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.notify import ChannelState, channel_states

CODE = "notify_failing"
# What is tried again a few times and works then calls for nobody.
_LONG = timedelta(minutes=5)
_GIVEN_UP_SHOWN = timedelta(days=1)
# So long after the last instance that knew it, a channel is not in use any more.
_IN_USE = timedelta(hours=1)


async def look(scene: Scene) -> Sequence[Finding]:
    found = [_finding(one, scene) for one in await channel_states(scene.conn) if scene.at - one.seen_at < _IN_USE]
    return [one for one in found if one is not None]


def _finding(one: ChannelState, scene: Scene) -> Finding | None:
    said = _said(one, scene)
    if said is None:
        return None
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("channel", one.channel),
        said,
        (_row(one),),
        one.failing_since,
        f"lead-router notify test {one.channel}",
    )


def _said(one: ChannelState, scene: Scene) -> Worded | None:
    """What is wrong, the worst of it."""
    since, who = one.failing_since, {"channel": one.channel, "kind": one.kind}
    if since is not None and scene.at - since >= _LONG:
        said = worded_count(
            "notification channel {channel} ({kind}) has been failing for {lasts}, {count:,} time in a row: {error}",
            "notification channel {channel} ({kind}) has been failing for {lasts}, {count:,} times in a row: {error}",
            one.failures,
            lasts=worded_duration((scene.at - since).total_seconds()),
            error=one.last_error,
            **who,
        )
        waiting = worded_count("; {count:,} message waiting", "; {count:,} messages waiting", one.waiting)
        return said + waiting if one.waiting else said
    if one.oldest is not None and scene.at - one.oldest >= _LONG:
        return worded(
            "notification channel {channel} ({kind}) has a message that has been waiting for {lasts}: no process with "
            "the role duties sends it",
            lasts=worded_duration((scene.at - one.oldest).total_seconds()),
            **who,
        )
    if one.given_up_at is not None and scene.at - one.given_up_at < _GIVEN_UP_SHOWN:
        return worded(
            "notification channel {channel} ({kind}) did not take messages until they were a day old, and they were "
            "given up",
            **who,
        )
    return None


def _row(one: ChannelState) -> dict[str, object]:
    return {
        "channel": one.channel,
        "failures": one.failures,
        "last_error": one.last_error,
        "waiting": one.waiting,
        "succeeded_at": one.succeeded_at and one.succeeded_at.isoformat(timespec="seconds"),
    }

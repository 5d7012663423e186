"""A webhook takes no events, is gone, has events that were given up, or missed some."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.webhooks import GONE, Webhook, shown_url, webhooks_of

CODE = "webhook_failing"
# What is tried again a few times and works then calls for nobody.
_LONG = timedelta(minutes=5)


async def look(scene: Scene) -> Sequence[Finding]:
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    found = [_finding(one, names[one.tenant_id], scene) for one in await webhooks_of(scene.conn, scene.tenant_ids)]
    return [one for one in found if one is not None]


def _finding(one: Webhook, tenant: str, scene: Scene) -> Finding | None:
    said = _said(one, tenant, scene)
    if said is None:
        return None
    sentence, command = said
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("webhook", f"{tenant}/{one.webhook_no}"),
        sentence,
        (_row(one),),
        one.failing_since,
        f"lead-router webhooks {command} {one.webhook_no} --tenant {tenant}",
    )


def _said(one: Webhook, tenant: str, scene: Scene) -> tuple[Worded, str] | None:
    """What is wrong, the worst of it, and the command that helps."""
    who = {"number": str(one.webhook_no), "tenant": tenant, "url": shown_url(one.url)}
    if not one.enabled:
        gone = worded("webhook {number} of {tenant} ({url}) was disabled: it answered 410, so it is gone", **who)
        return (gone, "enable") if one.disabled_why == GONE else None
    since = one.failing_since
    if since is not None and scene.at - since >= _LONG:
        failing = worded_count(
            "webhook {number} of {tenant} ({url}) has been failing for {lasts}, {count:,} time in a row: {error}",
            "webhook {number} of {tenant} ({url}) has been failing for {lasts}, {count:,} times in a row: {error}",
            one.failures,
            lasts=worded_duration((scene.at - since).total_seconds()),
            error=one.last_error,
            **who,
        )
        return failing, "test"
    if one.missed_upto is not None:
        missed = worded(
            "webhook {number} of {tenant} ({url}) missed events: they were older than the retention before it took "
            "them",
            **who,
        )
        return missed, "enable"
    if one.dead:
        refused = worded_count(
            "webhook {number} of {tenant} ({url}) did not take {count:,} event, which were given up",
            "webhook {number} of {tenant} ({url}) did not take {count:,} events, which were given up",
            one.dead,
            **who,
        )
        return refused, "dead"
    return None


def _row(one: Webhook) -> dict[str, object]:
    return {
        "webhook": one.webhook_no,
        "failures": one.failures,
        "last_error": one.last_error,
        "dead": one.dead,
        "waiting": one.waiting,
        "delivered_at": one.delivered_at and one.delivered_at.isoformat(timespec="seconds"),
    }

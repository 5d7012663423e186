"""Events are not delivered in time, although the webhook takes what it gets."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.domain.worded_phrases import worded_duration
from router.store.webhooks import Webhook, shown_url, webhooks_of

CODE = "events_lagging"
_LONG = timedelta(minutes=5)


async def look(scene: Scene) -> Sequence[Finding]:
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    known = await webhooks_of(scene.conn, scene.tenant_ids)
    return [_finding(one, names[one.tenant_id], scene) for one in known if _lags(one, scene)]


def _lags(one: Webhook, scene: Scene) -> bool:
    """One that fails is another finding; events that wait for their next attempt are not late by themselves."""
    late = one.behind_since is not None and scene.at - one.behind_since >= _LONG
    return one.enabled and late and one.failing_since is None and (not one.waiting or not one.held)


def _finding(one: Webhook, tenant: str, scene: Scene) -> Finding:
    assert one.behind_since is not None
    sentence = worded(
        "webhook {number} of {tenant} ({url}) is {late} behind: {why}",
        number=one.webhook_no,
        tenant=tenant,
        url=shown_url(one.url),
        late=worded_duration((scene.at - one.behind_since).total_seconds()),
        why=worded("it takes them more slowly than they come")
        if one.held
        else worded("no process with the role duties delivers"),
    )
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("webhook", f"{tenant}/{one.webhook_no}"),
        sentence,
        ({"webhook": one.webhook_no, "delivering": one.held, "delivered": one.delivered, "waiting": one.waiting},),
        one.behind_since,
        f"lead-router webhooks list --tenant {tenant}",
    )

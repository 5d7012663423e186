"""Leads that wait for one reason, as findings: for checks of what keeps leads standing whatever time it is."""

from collections.abc import Callable, Iterator

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.waiting.waits_words import worded_wait
from router.domain.reason import Reason
from router.domain.worded_phrases import worded_list


def standing(
    scene: Scene, reason: Reason, code: str, severity: Severity, sentence: Callable[[int, str], str], command: str
) -> Iterator[Finding]:
    """One finding for each tenant whose leads wait for `reason`. `sentence` is made of the number of leads and what
    they wait for, `command` has a place for the tenant's name.
    """
    for tenant in scene.tenants:
        for part in scene.waiting[tenant.tenant_id].reasons:
            if part.reason == reason:
                yield Finding(
                    code,
                    severity,
                    of_tenant(tenant.name),
                    sentence(part.leads, worded_list(map(worded_wait, part.waits_for), 3)),
                    tuple({"waits_for": words} for words in part.waits_for),
                    part.oldest_queued_at,
                    command.format(tenant.name),
                    held_back=part.leads,
                    oldest=part.oldest_queued_at,
                )

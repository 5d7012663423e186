"""All operations of the API, in the order in which they are described."""

from ops.api import (
    assignments,
    customers,
    diagnosis,
    endings,
    event_webhooks,
    events,
    groups,
    handovers,
    import_files,
    imports,
    jobs,
    loads,
    operating,
    presence,
    reps,
    rosters,
    rulesets,
    sessions,
    sources,
    tenants,
    tokens,
)
from ops.api.leads import FIND_LEAD, GET_LEAD
from ops.api.means import Means
from ops.api.running import Jobs
from router.http.operations import Operation
from router.http.routes import about
from router.http.routes.forms import POST_FORM, PREFLIGHT
from router.http.routes.lead_batch import POST_LEADS
from router.http.routes.leads import POST_LEAD
from router.http.routes.webhooks import POST_WEBHOOK

API_VERSION = "1"
"""Of the API, not of the release: what is described changes only with the operations."""


def api_operations(means: Means = Means(), running: Jobs | None = None) -> list[Operation]:
    """Those of the data plane and those for operating; `means` is what the latter need beside the database, `running`
    the jobs of this process (None = of these operations alone).
    """
    leads = [POST_LEAD, POST_LEADS, FIND_LEAD, GET_LEAD, POST_FORM, PREFLIGHT, POST_WEBHOOK]
    return about.operations([*leads, *events.operations(), *control_operations(means, running)], API_VERSION)


def control_operations(means: Means, running: Jobs | None = None) -> list[Operation]:
    """Those for operating. Jobs are known to the operations that are made with the same ones."""
    running = Jobs() if running is None else running
    return [
        *groups.operations(means),
        *loads.operations(means),
        *assignments.operations(),
        *endings.operations(),
        *handovers.operations(means, running),
        *imports.operations(means, running),
        *import_files.operations(means, running),
        *customers.operations(),
        *reps.operations(means),
        *rosters.operations(),
        *presence.operations(means),
        *rulesets.operations(),
        *operating.operations(means, running),
        *diagnosis.operations(means),
        *sessions.operations(),
        *jobs.operations(means, running),
        *event_webhooks.operations(means),
        *sources.operations(),
        *tenants.operations(),
        *tokens.operations(),
    ]

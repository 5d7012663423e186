"""All operations of the API, in the order in which they are described."""

from importlib.metadata import version

from router.http.operations import Operation
from router.http.routes import about
from router.http.routes.forms import POST_FORM, PREFLIGHT
from router.http.routes.lead_batch import POST_LEADS
from router.http.routes.leads import POST_LEAD
from router.http.routes.webhooks import POST_WEBHOOK


def api_operations() -> list[Operation]:
    """Those of the data plane and those for operating."""
    return about.operations([POST_LEAD, POST_LEADS, POST_FORM, PREFLIGHT, POST_WEBHOOK], version("lead-router"))

"""All operations of the API, in the order in which they are described."""

from importlib.metadata import version

from router.http.operations import Operation
from router.http.routes import about


def api_operations() -> list[Operation]:
    """Those of the data plane and those for operating."""
    return about.operations([], version("lead-router"))

"""Labels that stay few whatever is put in: OpenTelemetry folds an instrument with 2,000 series into one."""

from collections.abc import Callable

ALL_TENANTS = "(all)"
"""In place of a tenant, for what is about all of them."""
OTHER = "(other)"
"""In place of a value, for all that have no series of their own."""

TenantLabel = Callable[[str], str]
"""The label of a tenant: its name, or OTHER."""


class FewValues:
    """Passes the first `limit` keys that it is asked about, and no others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[tuple[str, ...]] = set()

    def has(self, *key: str) -> bool:
        """Whether this key has a series of its own."""
        if key not in self._known and len(self._known) < self._limit:
            self._known.add(key)
        return key in self._known

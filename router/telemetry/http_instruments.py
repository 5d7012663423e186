"""Requests to the API, by route and status. `docs/metrics.md` lists the same names."""

from collections import Counter
from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from router.telemetry.labels import OTHER

Request = tuple[str, str, str, str]
"""Area, method, route and status."""

_LIMIT = 1_800


class HttpInstruments:
    """Counts by itself, and lets the meter read it: a request must not pay for its metrics."""

    def __init__(self, meter: Meter, namespace: str) -> None:
        self._requests: Counter[Request] = Counter()
        meter.create_observable_counter(
            f"{namespace}.http.requests", [self._observed], "{request}", "Requests to the API, by route and status"
        )

    def begins(self, area: str, method: str, route: str, statuses: Iterable[int]) -> None:
        """Shows a route at zero, so that its first rise is seen."""
        for status in statuses:
            self._requests[area, method, route, str(status)] += 0

    def answered(self, area: str, method: str, route: str, status: int) -> None:
        """Once per request. `route` is the path as it was declared, never what was asked for."""
        key = (area, method, route, str(status))
        if key not in self._requests and len(self._requests) >= _LIMIT:
            key = (area, OTHER, OTHER, str(status))
        self._requests[key] += 1

    def _observed(self, _options: CallbackOptions) -> list[Observation]:
        return [
            Observation(number, {"area": area, "method": method, "route": route, "status": status})
            for (area, method, route, status), number in list(self._requests.items())
        ]

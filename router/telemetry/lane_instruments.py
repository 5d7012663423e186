"""Lanes that are held, and locks that are in the way of batches. `docs/metrics.md` lists the same names."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.metrics import Meter

from router.telemetry.labels import TenantLabel


class LaneInstruments:
    """Records on a meter, under `namespace`; `label` gives a tenant's label."""

    def __init__(self, meter: Meter, namespace: str, label: TenantLabel) -> None:
        self._label = label
        self._held = meter.create_up_down_counter(f"{namespace}.lanes.held", "{lane}", "Lanes in which a batch runs")
        self._held.add(0)
        self._skips = meter.create_counter(
            f"{namespace}.locks.skips", "{batch}", "Batches that left leads with room since others lock their rows"
        )
        self._timeouts = meter.create_counter(
            f"{namespace}.locks.timeouts", "{batch}", "Batches that got a lock not in time, and were rolled back"
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Around a batch."""
        self._held.add(1)
        try:
            yield
        finally:
            self._held.add(-1)

    def batch(self, tenant: str, *, skipped: bool = False, timed_out: bool = False) -> None:
        """Whether a batch left waiting leads that others have locked, and whether it got a lock too late."""
        label = {"tenant": self._label(tenant)}
        self._skips.add(int(skipped), label)
        self._timeouts.add(int(timed_out), label)

"""What is measured of the journal. `docs/metrics.md` lists the same names."""

from opentelemetry.metrics import Meter


class JournalInstruments:
    """Records on a meter, under `namespace`."""

    def __init__(self, meter: Meter, namespace: str) -> None:
        self._leads = meter.create_gauge(
            f"{namespace}.journal.leads", "{lead}", "Leads in the journal of this process, by state"
        )
        self._bytes = meter.create_gauge(f"{namespace}.journal.size", "By", "What they take up of its file")
        self._taken = meter.create_counter(f"{namespace}.journal.taken", "{lead}", "Leads that the journal took")
        self._drained = meter.create_counter(
            f"{namespace}.journal.drained", "{lead}", "Leads of the journal that went to the database"
        )
        self._refused = meter.create_counter(
            f"{namespace}.journal.refused", "{lead}", "Leads that the journal did not take, by cause"
        )

    def holds(self, waiting: int, set_aside: int, size: int) -> None:
        """What is in the journal now; `size` in bytes. The first call shows the counters at zero."""
        self._leads.set(waiting, {"state": "waiting"})
        self._leads.set(set_aside, {"state": "set_aside"})
        self._bytes.set(size)
        self._taken.add(0)
        self._drained.add(0)
        for cause in ("full", "disk"):
            self._refused.add(0, {"cause": cause})

    def taken(self, leads: int) -> None:
        """So many new leads were written to it."""
        self._taken.add(leads)

    def drained(self, leads: int) -> None:
        """So many went to the database."""
        self._drained.add(leads)

    def refused(self, cause: str, leads: int) -> None:
        """So many were not taken; `cause` is full or disk."""
        self._refused.add(leads, {"cause": cause})

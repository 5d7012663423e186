"""What is counted and timed of intake over HTTP. `docs/metrics.md` lists the same names."""

from enum import StrEnum
from itertools import product

from opentelemetry.metrics import Meter, NoOpMeter

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LEADS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

CONTACT_FIELDS = ("phone", "email", "customer_id")


class IntakeRoute(StrEnum):
    """How leads were handed in."""

    SINGLE = "single"
    BATCH = "batch"


class IntakeResult(StrEnum):
    """What became of a lead. `shed`: too many waited; `not_durable`: the database was busy or away."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"
    SHED = "shed"
    NOT_DURABLE = "not_durable"


class IntakeInstruments:
    """Records on a meter, under `namespace`; None = nothing is recorded."""

    def __init__(self, meter: Meter | None = None, namespace: str = "lead_router") -> None:
        meter = meter or NoOpMeter(namespace)
        self._leads = meter.create_counter(f"{namespace}.intake.leads", "{lead}", "Leads handed in over HTTP")
        self._unreadable = meter.create_counter(
            f"{namespace}.intake.contacts.unreadable", "{contact}", "Contacts handed in over HTTP that say nothing"
        )
        self._waiting = meter.create_gauge(
            f"{namespace}.intake.waiting", "{lead}", "Single leads that wait for their commit"
        )
        self._commit_s = meter.create_histogram(
            f"{namespace}.intake.commit.duration",
            "s",
            "From a connection asked for to leads committed",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._group = meter.create_histogram(
            f"{namespace}.intake.commit.size",
            "{lead}",
            "Leads that were committed together",
            explicit_bucket_boundaries_advisory=_LEADS,
        )

    def begins(self) -> None:
        """Shows every series at zero, so that its first rise is seen."""
        self._waiting.set(0)
        for route, result in product(IntakeRoute, IntakeResult):
            self.leads(route, result, 0)
        for field in CONTACT_FIELDS:
            self.unreadable(field, 0)

    def leads(self, route: IntakeRoute, result: IntakeResult, leads: int = 1) -> None:
        """What became of leads."""
        self._leads.add(leads, {"route": route.value, "result": result.value})

    def unreadable(self, field: str, contacts: int) -> None:
        """Once per commit and field: contacts that are kept as text, and say nothing about who the customer is."""
        self._unreadable.add(contacts, {"field": field})

    def waiting(self, leads: int) -> None:
        """Once per commit of single leads: how many wait when it begins."""
        self._waiting.set(leads)

    def committed(self, leads: int, seconds: float) -> None:
        """Once per commit."""
        self._commit_s.record(seconds)
        self._group.record(leads)

"""What is known of the services of this process: their state, their last sign of life, their deaths."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

SERVICE_FAILING = "service_failing"
CODES = {
    "connections": "connections_short",
    "service presence": "presence_unknown",
    "service rate limits": "redis_trouble",
    "service redis hints": "redis_trouble",
    "service hints sender": "redis_trouble",
}
"""Codes of findings, as `status` has them, by what `degraded` is about; anything else is a service that fails."""


class State(StrEnum):
    """`waiting`: died and waits to be started again. `lost`: died too often."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(slots=True)
class ServiceHealth:
    """Times are monotonic seconds; `due_at` None = owes no sign of life."""

    max_silence_s: float
    state: State = State.STARTING
    due_at: float | None = None
    deaths: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service as `/livez` shows it. `overdue_s` > 0: silent for longer than it may be.

    That is no reason for a restart: it waits for something outside, which waits for no other process either.
    """

    state: State
    overdue_s: float
    deaths: int
    last_error: str | None

    @property
    def alive(self) -> bool:
        return self.state is not State.LOST


class Health:
    """Written by the supervisor, read by the listener; made first, so that both can be given it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.stopping = False
        self.services: dict[str, ServiceHealth] = {}
        self.degraded: dict[str, str] = {}
        """What is worse than it should be although the work goes on, by what it is about."""
        self.finding_codes: dict[str, str] = {}
        """The code of the finding for entries of `degraded` that have one of their own."""
        self.muted: frozenset[str] = frozenset()
        """What `degraded` entries are about whose finding somebody knows of and has muted for a while."""

    def worse(self) -> dict[str, str]:
        """`degraded`, and the services that have been silent for too long; not what is muted."""
        return {about: problem for about, problem in self._all().items() if about not in self.muted}

    def worse_and_muted(self) -> dict[str, str]:
        """What `worse` leaves out."""
        return {about: problem for about, problem in self._all().items() if about in self.muted}

    def _all(self) -> dict[str, str]:
        silent = {
            f"service {name}": f"no sign of life for {report.overdue_s:.0f} s longer than it may be silent"
            for name, report in self.report().items()
            if report.overdue_s > 0
        }
        return {**silent, **self.degraded}

    @property
    def codes(self) -> dict[str, str]:
        """The code of the finding for each entry of `degraded`; its page is in `runbooks/`."""
        return {about: self.finding_codes.get(about, _code(about)) for about in self.worse()}

    def heard(self, name: str, quiet_s: float | None) -> None:
        """A sign of life: the next is due after `quiet_s` and the service's longest silence; None = never."""
        service = self.services[name]
        service.due_at = None if quiet_s is None else self._monotonic() + quiet_s + service.max_silence_s

    def report(self) -> dict[str, ServiceReport]:
        """All services at this moment, by name."""
        now = self._monotonic()
        return {name: _report(service, now) for name, service in self.services.items()}


def _code(about: str) -> str:
    return CODES.get(about, SERVICE_FAILING)


def _report(service: ServiceHealth, now: float) -> ServiceReport:
    owes = service.state is State.RUNNING and service.due_at is not None
    overdue_s = max(0.0, now - service.due_at) if owes and service.due_at is not None else 0.0
    return ServiceReport(service.state, overdue_s, service.deaths, service.last_error)

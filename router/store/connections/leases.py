"""Connections that are held too long: told once with their holder's name while it lasts, and again when it is over."""

import asyncio
from time import monotonic

from router.store.connections.fair_queue import Part
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)


class Lease:
    """One connection lent to `part` for `purpose`; told when it takes longer than `limit_s` (None = it may)."""

    def __init__(self, part: Part, purpose: str, limit_s: float | None, instruments: Instruments) -> None:
        self.part = part
        self.purpose = purpose
        self.since = monotonic()
        self._limit_s = limit_s or 0.0
        self._instruments = instruments
        self._told = False
        loop = asyncio.get_running_loop()
        self._timer = None if limit_s is None else loop.call_later(limit_s, self._too_long)

    def __str__(self) -> str:
        return f"{self.part}: {self.purpose}"

    def over(self) -> None:
        """Given back."""
        if self._timer is not None:
            self._timer.cancel()
        if self._told:
            log.warning(
                "connection given back after all",
                part=self.part.value,
                holder=self.purpose,
                held_s=round(monotonic() - self.since, 1),
            )

    def _too_long(self) -> None:
        self._told = True
        self._instruments.connection_held_too_long(self.part)
        log.warning(
            "connection held too long", part=self.part.value, holder=self.purpose, longer_than_s=round(self._limit_s, 1)
        )


def holder_named() -> str:
    """What the running task calls itself: services and turns of the drain have telling names."""
    task = asyncio.current_task()
    return task.get_name() if task is not None else "no task"

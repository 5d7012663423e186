"""The service that reads who is present."""

from collections.abc import Callable

from router.drain.presence import LOOK_EVERY_S, Presence
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic


class PresenceService(Periodic):
    """Reads heartbeats every second, and `call`s the router to the tenants where somebody came or went."""

    name = "presence"
    failing = "heartbeats not read"
    interval_s = LOOK_EVERY_S

    def __init__(self, presence: Presence, call: Callable[[int], None]) -> None:
        self._presence = presence
        self._call = call

    async def once(self, life: Lifeline) -> None:
        """Looks at all tenants whose rules ask for presence."""
        for tenant_id in await self._presence.look():
            self._call(tenant_id)

    def works(self, life: Lifeline) -> None:
        """Also while Redis does not answer, and a fallback holds; then `/readyz` says so."""
        problem = self._presence.problem
        if problem is None:
            super().works(life)
        else:
            life.failed(f"presence unknown, the last known holds, then the working hours: {problem}")

    async def end(self) -> None:
        """Gives the connection to Redis back."""
        await self._presence.aclose()

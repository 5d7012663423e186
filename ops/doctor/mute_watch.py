"""The duty that ends mutes while nobody runs the doctor, and tells this process what is muted, for `/readyz`."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from ops.doctor.current import record_endings
from ops.doctor.look import COULD_NOT_CHECK, examine
from ops.doctor.scene import open_scene
from router.drain.presence import Presence
from router.runtime.health import CODES, Health
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.leads import database_clock
from router.store.mutes import Ending, Mute, claim_look, read_mutes
from router.store.statements import Connection
from router.telemetry.logs import get_logger

log = get_logger(__name__)

INTERVAL_S = 60.0
"""Without mutes that is one look at an empty table; with some, the checks of what is muted, by one of all instances."""


# What the findings are about whose codes entries of `/readyz` have.
_SERVER = ("server", "PostgreSQL")


def hidden(mutes: Iterable[Mute]) -> frozenset[str]:
    """The entries of `/readyz` that these mutes are of; one about anything else, even of the same code, hides none."""
    muted = {(one.of.code, one.of.kind, one.of.subject) for one in mutes}
    return frozenset(about for about, code in CODES.items() if (code, *_SERVER) in muted)


def only_tenant(mutes: Iterable[Mute]) -> str | None:
    """The tenant that all of them are about, if they are: nobody else's leads need be judged then."""
    names = {one.of.subject if one.of.kind == "tenant" else None for one in mutes}
    return names.pop() if len(names) == 1 else None


class MutesService(Periodic):
    """`actor` is this instance, `presence` makes what hears who is present. `ends` = it looks and ends them (the role
    of duties); else it only reads.
    """

    name = "mutes"
    failing = "cannot look after mutes"

    def __init__(
        self,
        connections: Connections,
        health: Health,
        actor: str,
        presence: Callable[[], Presence],
        *,
        ends: bool,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.interval_s = interval_s
        self._connections = connections
        self._health = health
        self._actor = actor
        self._presence = presence
        self._ends = ends

    async def once(self, life: Lifeline) -> None:
        """Reads what is muted, and ends what is over."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            found = await read_mutes(conn)
            if found and self._ends and await claim_look(conn, 0.9 * self.interval_s):
                found = await self._end(conn, found)
        now = datetime.now(UTC)
        self._health.muted = hidden(one for one in found if now < one.until)

    async def _end(self, conn: Connection, mutes: Sequence[Mute]) -> list[Mute]:
        """Returns those that are left."""
        now = await database_clock(conn)
        ended = await record_endings(conn, (), mutes, now, self._actor, whole=False)
        if standing := [one for one in mutes if now < one.until]:
            ended += await self._look(conn, standing)
        for one in ended:
            log.info("mute ended", code=one.mute.of.code, about=one.mute.of.subject, why=one.why)
        # Another instance may have ended some, or somebody have made new ones.
        return await read_mutes(conn)

    async def _look(self, conn: Connection, mutes: Sequence[Mute]) -> list[Ending]:
        codes = {one.of.code for one in mutes}
        tenant = only_tenant(mutes)
        async with (
            aclosing(self._presence()) as presence,
            open_scene(conn, tenant, None, presence, lambda: datetime.now(UTC), thorough=True) as scene,
        ):
            results = await examine(scene, () if COULD_NOT_CHECK in codes else codes)
        return await record_endings(conn, results, mutes, scene.at, self._actor, whole=tenant is None)

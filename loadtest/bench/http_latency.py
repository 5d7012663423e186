"""From the click to the rep: a posted lead until its assignment is committed, on a quiet service."""

from loadtest.bench.figures import Figure, figure, ratios
from loadtest.bench.paced import paced
from loadtest.bench.posted_to import new_tenant, service
from loadtest.bench.posts import SOURCE, Address
from loadtest.bench.stage import NotClean, Room, Stage
from loadtest.bench.trickle import all_assigned, idle_waits
from loadtest.bench.world import SQL

_RATE = 50
_FIRST = 1_000_000


async def posted_to_assigned(stage: Stage) -> list[Figure]:
    """posted_to_assigned_p99_vs_idle; what it is compared with is measured in turns, on the same service."""
    seconds = stage.size(20, 3)
    posted, idle, medians = list[float](), list[float](), list[float]()
    async with stage.room() as room:
        tenant_id = await new_tenant(room)
        async with service(room, tenant_id, "api,drain") as address:
            for turn in range(1, stage.rounds + 2):
                idle.append(_p99(await idle_waits(room, tenant_id, turn * _FIRST, stage.size(10, 3))))
                waits = await _waits(room, tenant_id, address, turn * _FIRST, seconds)
                posted.append(_p99(waits))
                medians.append(waits[len(waits) // 2] * 1000)
        await room.audited()
    note = (
        f"`serve --role api,drain`, {_RATE} posts a second for {seconds} s, from when each is due: "
        f"p99 {_middle(posted[1:]) * 1000:.1f} ms, median {_middle(medians[1:]):.1f} ms; without HTTP, as "
        f"idle_latency_p99 measures it, in turns: p99 {_middle(idle[1:]) * 1000:.1f} ms"
    )
    return [figure("posted_to_assigned_p99_vs_idle", ratios(posted[1:], idle[1:]), note)]


async def _waits(room: Room, tenant_id: int, address: Address, first: int, seconds: int) -> list[float]:
    """Seconds from the send to the commit of the assignment, by the server's clock on the same machine; ascending."""
    posts = await paced(address, first, _RATE, seconds)
    await all_assigned(room, tenant_id)
    rows = await SQL.assignments_committed.fetch(
        room.conn, tenant_id=tenant_id, source=SOURCE, external_ids=[post.external_id for post in posts]
    )
    committed = {row["external_id"]: row["at"] for row in rows}
    if len(committed) < len(posts):
        raise NotClean(f"{len(committed):,} of {len(posts):,} posted leads were assigned")
    return sorted(committed[post.external_id] - post.at for post in posts)


def _p99(waits: list[float]) -> float:
    return waits[len(waits) * 99 // 100]


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]

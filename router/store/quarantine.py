"""What the lane notes about holders that went away in the middle of a batch, and the leads that they had in hand."""

from collections.abc import Sequence

from router.store.statements import Connection, load

_SQL = load("lane")


async def count_death(conn: Connection, tenant_id: int) -> None:
    """Counts a holder that went away; those of the suspects that it had in hand remain."""
    await _SQL.count_death.execute(conn, tenant_id=tenant_id)


async def name_leads(conn: Connection, tenant_id: int, lead_ids: Sequence[int]) -> None:
    """Names the leads that are taken next."""
    await _SQL.name_leads.execute(conn, tenant_id=tenant_id, lead_ids=lead_ids)


async def try_suspects(conn: Connection, tenant_id: int, count: int) -> None:
    """Notes that the first `count` suspects are taken next, and nothing else."""
    await _SQL.try_suspects.execute(conn, tenant_id=tenant_id, count=count)


async def clear_suspects(conn: Connection, tenant_id: int, count: int) -> None:
    """The first `count` suspects came through, or are parked."""
    await _SQL.clear_suspects.execute(conn, tenant_id=tenant_id, count=count)


async def forget_deaths(conn: Connection, tenant_id: int) -> None:
    """What the holders died of is found."""
    await _SQL.forget_deaths.execute(conn, tenant_id=tenant_id)


async def say_alive(conn: Connection, tenant_id: int) -> None:
    """After an error of ours that rolled a batch back: not to be taken for a death."""
    await _SQL.say_alive.execute(conn, tenant_id=tenant_id)

"""What the lane notes about holders that crashed in the middle of a batch, and about the lead that is taken next."""

from router.store.statements import Connection, load

_SQL = load("quarantine")


async def count_crash(conn: Connection, tenant_id: int, *, careful_from: int, careful_leads: int) -> None:
    """Counts a crash of the lane's holder; from `careful_from` on, so many leads are taken one at a time."""
    await _SQL.count_crash.execute(conn, tenant_id=tenant_id, careful_from=careful_from, careful_leads=careful_leads)


async def note_lead(conn: Connection, tenant_id: int, lead_id: int) -> None:
    """Notes the lead that is taken next."""
    await _SQL.note_lead.execute(conn, tenant_id=tenant_id, lead_id=lead_id)


async def lead_came_through(conn: Connection, tenant_id: int) -> None:
    """The noted lead was taken alone and nobody crashed: notes the next one."""
    await _SQL.lead_came_through.execute(conn, tenant_id=tenant_id)


async def forget_note(conn: Connection, tenant_id: int) -> None:
    """The noted lead could not be taken."""
    await _SQL.forget_note.execute(conn, tenant_id=tenant_id)


async def end_quarantine(conn: Connection, tenant_id: int) -> None:
    """The lead over which holders crashed is parked."""
    await _SQL.end_quarantine.execute(conn, tenant_id=tenant_id)


async def not_crashed(conn: Connection, tenant_id: int) -> None:
    """After an error of ours that rolled a batch back: the next holder does not take it for a crash."""
    await _SQL.not_crashed.execute(conn, tenant_id=tenant_id)

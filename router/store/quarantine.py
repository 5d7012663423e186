"""What the lane notes about holders that crashed in the middle of a batch, and about the lead that is taken next."""

from router.store.statements import Connection, Row, load

_SQL = load("quarantine")


async def judge_abort(conn: Connection, tenant_id: int, *, is_new: bool, careful_from: int, careful_leads: int) -> Row:
    """Whether a process crashed when a holder's transaction was rolled back: `crashed`, and `crashes` until now.

    `is_new` = it was seen just now; else it is asked again.

    From `careful_from` on, so many leads are taken one at a time. What is not known yet can be asked again.
    """
    row = await _SQL.judge_abort.row(
        conn, tenant_id=tenant_id, is_new=is_new, careful_from=careful_from, careful_leads=careful_leads
    )
    if row is None:
        raise LookupError(f"tenant {tenant_id} has no lane")
    return row


async def count_deaths(conn: Connection) -> int:
    """How many processes died within ten minutes, in whatever they did."""
    count: int = await _SQL.deaths.value(conn)
    return count


async def next_suspect(conn: Connection, tenant_id: int) -> int | None:
    """The next ready lead that can have been in the hands of who crashed last; None = there is none, or all are
    locked.
    """
    found: int | None = await _SQL.next_suspect.value(conn, tenant_id=tenant_id)
    return found


async def note_lead(conn: Connection, tenant_id: int, lead_id: int, process_id: int) -> None:
    """Notes the lead that is taken next, and who takes it."""
    await _SQL.note_lead.execute(conn, tenant_id=tenant_id, lead_id=lead_id, process_id=process_id)


async def note_taker(conn: Connection, tenant_id: int, process_id: int) -> None:
    """Notes who takes the noted lead next."""
    await _SQL.note_taker.execute(conn, tenant_id=tenant_id, process_id=process_id)


async def lead_came_through(conn: Connection, tenant_id: int, process_id: int, rest: int) -> None:
    """The noted lead was taken alone and nobody crashed: notes the next one. Once no lead is ready that was there at
    the crash, only `rest` more are taken alone.
    """
    await _SQL.lead_came_through.execute(conn, tenant_id=tenant_id, process_id=process_id, rest=rest)


async def forget_note(conn: Connection, tenant_id: int) -> None:
    """The noted lead could not be taken."""
    await _SQL.forget_note.execute(conn, tenant_id=tenant_id)


async def end_quarantine(conn: Connection, tenant_id: int) -> None:
    """The lead over which holders crashed is parked."""
    await _SQL.end_quarantine.execute(conn, tenant_id=tenant_id)

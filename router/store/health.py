"""Whether the database answers at all."""

from router.store.statements import Connection, load

_SQL = load("health")


async def answers(conn: Connection) -> None:
    """Asks the smallest question, in one message. Raises what a connection that leads nowhere raises."""
    # No transaction around it: over a dead wire its end would be waited for, too.
    await getattr(conn, "session", conn).execute(_SQL.answers.sql)

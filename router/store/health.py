"""Whether the database answers at all."""

from router.store.statements import Connection, load

_SQL = load("health")


async def answers(conn: Connection) -> None:
    """Asks the smallest question. Raises what a connection that leads nowhere raises."""
    await _SQL.answers.value(conn)

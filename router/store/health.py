"""Whether the database answers at all."""

from router.store.statements import Connection, load

_SQL = load("health")


async def answers(conn: Connection) -> None:
    """Asks the smallest question, in one message. Raises what a connection that leads nowhere raises."""
    await conn.execute(_SQL.answers.sql)

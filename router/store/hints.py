"""Hints to listening routers that a tenant has work; only hints, polling is the truth."""

from router.store.statements import Connection, load

_SQL = load("hints")


async def call_routers(conn: Connection, tenant_id: int) -> None:
    """Tells them once the transaction is committed, at once where there is none."""
    await _SQL.call_routers.execute(conn, tenant_id=tenant_id)

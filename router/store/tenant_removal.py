"""Removing a tenant: its rows in every table, at once; a table is named by the caller, who knows them all."""

from router.store.statements import Connection, load

_SQL = load("tenant_removal")


async def hold_tenant(conn: Connection, tenant_id: int) -> bool:
    """Locks the tenant until the transaction ends; False = it is gone."""
    return await _SQL.hold.row(conn, tenant_id=tenant_id) is not None


async def count_rows(conn: Connection, table: str, tenant_id: int) -> int:
    """How many rows of a table are the tenant's."""
    return int(await conn.fetchval(f'select count(*) from "{table}" where tenant_id = $1', tenant_id))


async def remove_rows(conn: Connection, table: str, tenant_id: int) -> int:
    """Removes the tenant's rows of a table; returns how many."""
    tag: str = await conn.execute(f'delete from "{table}" where tenant_id = $1', tenant_id)
    return int(tag.rpartition(" ")[2])


async def own_transaction(conn: Connection) -> int:
    """The number of the transaction under way."""
    return int(await _SQL.own_transaction.value(conn))


async def is_oldest(conn: Connection, number: int) -> bool:
    """Whether every transaction that changes anything began after this one ended."""
    return int(await _SQL.oldest_transaction.value(conn)) > number


async def in_journals(conn: Connection, tenant_id: int) -> int:
    """How many leads of the tenant instances keep in journals."""
    return int(await _SQL.in_journals.value(conn, tenant_id=tenant_id))

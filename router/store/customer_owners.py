"""The owners of many customers at once."""

from collections.abc import Collection, Mapping

from router.store.statements import Connection, load

_SQL = load("customer_owners")


async def owners_of(conn: Connection, tenant_id: int, customers: Collection[int]) -> dict[int, int]:
    """The owner (rep number) of each of these customers that has one."""
    rows = await _SQL.owners.fetch(conn, tenant_id=tenant_id, customers=sorted(customers))
    return {row["customer_id"]: row["rep_no"] for row in rows}


async def set_owners(conn: Connection, tenant_id: int, owners: Mapping[int, int]) -> None:
    """Gives customers to reps (numbers); the caller holds the lane."""
    customers = sorted(owners)
    rep_nos = [owners[customer] for customer in customers]
    await _SQL.set_owners.execute(conn, tenant_id=tenant_id, customers=customers, rep_nos=rep_nos)

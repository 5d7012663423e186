-- Removing a tenant; its rows are removed table by table, by names that the program knows.

-- name: hold(tenant_id)
-- The tenant, locked until the transaction ends.
select tenant_id from tenant where tenant_id = :tenant_id for update;

-- name: own_transaction()
-- The number of this transaction.
select pg_current_xact_id()::text::bigint;

-- name: oldest_transaction()
-- The number of the oldest transaction that changes anything now.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint;

-- name: in_journals(tenant_id)
-- How many leads of a tenant journals hold.
select coalesce(sum(leads + set_aside), 0)::bigint from journalled where tenant_id = :tenant_id;

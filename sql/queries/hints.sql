-- name: call_routers(tenant_id)
-- Tells listening routers that a tenant has work, once the transaction is committed. Alone: beside rows of a tenant it would be sent where these are.
select pg_notify('lead_router', :tenant_id::int::text);

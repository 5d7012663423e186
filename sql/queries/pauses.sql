-- name: hold_pause(tenant_id)
-- A tenant's pause, held until the transaction ends: no batch runs meanwhile.
select paused_until, paused_why, clock_timestamp() as now from lane where tenant_id = :tenant_id for update;

-- name: set_pause(tenant_id, until, why)!
-- Pauses a tenant, or ends its pause.
update lane set paused_until = :until, paused_why = :why
 where tenant_id = :tenant_id;

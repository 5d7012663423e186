-- name: park(tenant_id, lead_id, reason, detail)
-- Parks a waiting lead; no row when it does not wait.
with taken as (
    delete from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id returning lead_id, excluded, last_batch_no)
insert into parked (tenant_id, lead_id, reason, detail, parked_at, last_batch_no, excluded)
select :tenant_id, lead_id, :reason, :detail, clock_timestamp(), last_batch_no, excluded from taken
returning parked_at;

-- name: parked_reason(tenant_id, lead_id)
-- Why a lead is parked.
select reason, detail from parked where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: park(tenant_id, lead_id, reason, detail)
-- Parks a waiting lead, and writes the event; no row when it does not wait.
with taken as (
    delete from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id returning lead_id, excluded, last_batch_no),
happened as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.parked', clock_timestamp(), array[taken.lead_id], array[:reason::text]
      from taken, tenant t where t.tenant_id = :tenant_id and t.events_since is not null)
insert into parked (tenant_id, lead_id, reason, detail, parked_at, last_batch_no, excluded)
select :tenant_id, lead_id, :reason, :detail, clock_timestamp(), last_batch_no, excluded from taken
returning parked_at;

-- name: parked_reason(tenant_id, lead_id)
-- Why a lead is parked.
select reason, detail from parked where tenant_id = :tenant_id and lead_id = :lead_id;

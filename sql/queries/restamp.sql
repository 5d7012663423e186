-- Correcting creation times that a source stamped wrong.

-- name: steady_plans()!
-- For walking along the primary key until the transaction ends, whatever the statistics say.
set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off; set local jit = off;

-- name: has_source(tenant_id, source)
-- Whether any lead came from a source.
select exists(select from lead where tenant_id = :tenant_id and source = :source);

-- name: waiting_next(tenant_id, source, since, after_lead_id, limit)
-- The next waiting leads of a source after a lead, accepted since a time; holds nothing.
select p.lead_id, l.created_at, l.received_at, l.corrected
  from lead_pool p
 cross join lateral (
       select created_at, received_at,
              exists(select from lead_correction c where c.tenant_id = :tenant_id and c.lead_id = lead.lead_id and c.created_before <> c.created_after) as corrected
         from lead where lead.tenant_id = :tenant_id and lead.lead_id = p.lead_id offset 0) l
 where p.tenant_id = :tenant_id and p.lead_id > :after_lead_id::bigint and coalesce(p.source, '') = :source
   and (:since::timestamptz is null or l.received_at >= :since)
 order by p.lead_id limit :limit;

-- name: parked_next(tenant_id, source, since, after_lead_id, limit)
-- The next parked leads of a source after a lead, accepted since a time; holds nothing.
select p.lead_id, l.created_at, l.received_at, l.corrected
  from parked p
 cross join lateral (
       select source, created_at, received_at,
              exists(select from lead_correction c where c.tenant_id = :tenant_id and c.lead_id = lead.lead_id and c.created_before <> c.created_after) as corrected
         from lead where lead.tenant_id = :tenant_id and lead.lead_id = p.lead_id offset 0) l
 where p.tenant_id = :tenant_id and p.lead_id > :after_lead_id::bigint and l.source = :source
   and (:since::timestamptz is null or l.received_at >= :since)
 order by p.lead_id limit :limit;

-- name: take_waiting(tenant_id, lead_ids, first, last)
-- Those of these leads that still wait, locked until the transaction ends; rows that somebody else has locked are passed over.
-- With sorting off, the order and the bounds (of the numbers) name the primary key, whatever the statistics say; here and below.
select lead_id, wake_key from lead_pool
 where tenant_id = :tenant_id and lead_id between :first::bigint and :last::bigint and lead_id = any(:lead_ids::bigint[])
 order by lead_id for update skip locked;

-- name: take_parked(tenant_id, lead_ids, first, last)
-- Those of these leads that are still parked, locked until the transaction ends; rows that somebody else has locked are passed over.
select lead_id, 0 as wake_key from parked
 where tenant_id = :tenant_id and lead_id between :first::bigint and :last::bigint and lead_id = any(:lead_ids::bigint[])
 order by lead_id for update skip locked;

-- name: take_leads(tenant_id, lead_ids, first, last)
-- The creation times of these leads, locked in the same way.
select lead_id, created_at from lead
 where tenant_id = :tenant_id and lead_id between :first::bigint and :last::bigint and lead_id = any(:lead_ids::bigint[])
 order by lead_id for update skip locked;

-- name: keep(tenant_id, batch_no, lead_ids, before, shift_s, change_id)!
-- Keeps what these leads' creation times were up to a batch, and what they are after it.
insert into lead_correction (tenant_id, lead_id, batch_no, created_before, created_after, change_id)
select :tenant_id, c.lead_id, :batch_no, c.before, c.before + make_interval(secs => :shift_s::float8), :change_id
  from unnest(:lead_ids::bigint[], :before::timestamptz[]) as c(lead_id, before)
    on conflict (tenant_id, lead_id, batch_no) do update
   set created_after = excluded.created_after, corrected_at = excluded.corrected_at, change_id = excluded.change_id;

-- name: correct_leads(tenant_id, lead_ids, first, last, shift_s)!
-- Shifts the creation times of leads.
update lead set created_at = (created_at at time zone 'UTC' + make_interval(secs => :shift_s::float8)) at time zone 'UTC'
 where ctid = any(array(
       select ctid from lead
        where tenant_id = :tenant_id and lead_id between :first::bigint and :last::bigint and lead_id = any(:lead_ids::bigint[])
        order by lead_id));

-- name: correct_pool(tenant_id, lead_ids, first, last, shift_s, wake_key)!
-- Shifts those of waiting leads; they get their turn, whatever they waited for.
update lead_pool set created_at = (created_at at time zone 'UTC' + make_interval(secs => :shift_s::float8)) at time zone 'UTC',
                     wake_key = case when wake_key = 0 then 0 else :wake_key::int end
 where ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and lead_id between :first::bigint and :last::bigint and lead_id = any(:lead_ids::bigint[])
        order by lead_id));

-- name: repeats_of(tenant_id, lead_ids)
-- How many leads are merged into these.
select count(*)::int from unnest(:lead_ids::bigint[]) as of(lead_id)
  join merged on merged.tenant_id = :tenant_id and merged.into_lead_id = of.lead_id;

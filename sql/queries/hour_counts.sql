-- name: hold(tenant_id)
-- Up to where a tenant was counted, kept from others who would count it; no row while another instance does.
select lead_id, batch_no, trends from hour_count_reached where tenant_id = :tenant_id for update skip locked;

-- name: begin(tenant_id, lead_id, batch_no, trends)!
-- A tenant that is counted for the first time.
insert into hour_count_reached (tenant_id, lead_id, batch_no, trends)
values (:tenant_id, :lead_id, :batch_no, :trends::text::jsonb) on conflict do nothing;

-- name: reach(tenant_id, lead_id, batch_no, trends)!
-- Up to where a tenant is counted now.
update hour_count_reached set lead_id = :lead_id, batch_no = :batch_no, trends = :trends::text::jsonb where tenant_id = :tenant_id;

-- name: leads_after(tenant_id, lead_id, limit)
-- The next leads by hour, in the order in which they came: how many, in which minutes, and the last of them.
select date_trunc('hour', l.received_at, 'UTC') as hour, count(*) as leads, max(l.received_at) as last_at, max(l.lead_id) as last_lead,
       bit_or(1::bigint << extract(minute from l.received_at at time zone 'UTC')::int) as minutes
  from (select lead_id, received_at from lead where tenant_id = :tenant_id and lead_id > :lead_id order by lead_id limit :limit) l
 group by 1 order by 1;

-- name: batches_after(tenant_id, batch_no, limit)
-- The next batches, in order.
select batch_no, at, ruleset, inputs from flight
 where tenant_id = :tenant_id and batch_no > :batch_no and kind = 'drain' order by batch_no limit :limit;

-- name: add(tenant_id, hours, whats, names, leads, minutes, last_ats)!
-- Adds to the counts.
insert into hour_count (tenant_id, hour, what, name, leads, minutes, last_at)
select :tenant_id, * from unnest(:hours::timestamptz[], :whats::text[], :names::text[], :leads::bigint[], :minutes::bigint[], :last_ats::timestamptz[])
on conflict (tenant_id, hour, what, name) do update
   set leads = hour_count.leads + excluded.leads, minutes = hour_count.minutes | excluded.minutes,
       last_at = greatest(hour_count.last_at, excluded.last_at);

-- name: of_hours(tenant_id, hours)
-- The counts of some hours.
select hour, what, name, leads, bit_count(minutes::bit(64)) as minutes, last_at from hour_count
 where tenant_id = :tenant_id and hour = any(:hours::timestamptz[]);

-- name: forget(kept)!
-- Deletes counts of hours that are so long ago.
delete from hour_count using tenant t where hour_count.tenant_id = t.tenant_id and hour < statement_timestamp() - :kept::interval;

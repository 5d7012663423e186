-- name: hours(tenant_ids, since)
-- Leads of tenants by hour, as they were counted.
select tenant_id, hour, leads from hour_count
 where tenant_id = any(:tenant_ids::int[]) and what = 'received' and name = '' and hour >= :since;

-- name: back_to_back(tenant_ids, of_each, minimum, longest_s)
-- Batches of at least so many leads which the next batch of the tenant followed soon, and the seconds until it began: with a backlog, what the batch took.
select f.tenant_id, f.leads, f.took
  from lane t
 cross join lateral (
    select tenant_id, leads, lead(batch_no) over (order by batch_no) - batch_no as step,
           extract(epoch from lead(at) over (order by batch_no) - at)::float8 as took
      from (select tenant_id, batch_no, at, leads from flight
             where flight.tenant_id = t.tenant_id and kind = 'drain' order by batch_no desc limit :of_each) as last_ones) f
 where t.tenant_id = any(:tenant_ids::int[]) and f.step = 1 and f.leads >= :minimum and f.took > 0 and f.took <= :longest_s::float8;

-- name: places(tenant_ids, caps)
-- Of each tenant the active reps who are in a group, and the leads that they may get in a day; caps = what holds for reps without one. Null = a rep has no cap.
select d.tenant_id, count(*) as reps,
       case when bool_and(coalesce(r.max_per_day, d.cap) is not null) then sum(coalesce(r.max_per_day, d.cap)) end::bigint as places
  from unnest(:tenant_ids::int[], :caps::int[]) as d(tenant_id, cap)
  join rep_row r on r.tenant_id = d.tenant_id and r.to_version is null and r.active and cardinality(r.groups) > 0
 group by d.tenant_id;

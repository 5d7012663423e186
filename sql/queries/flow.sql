-- name: arrivals(tenant_id, floor, since, limit)
-- Leads by the minute in which they were accepted, since then: of the newest leads from a number on, up to a limit; and the first of those looked at.
select date_trunc('minute', received_at, 'UTC') as minute, count(*)::int as leads, min(received_at) as first
  from (select received_at from lead where tenant_id = :tenant_id and lead_id >= :floor order by lead_id desc limit :limit) l
 where received_at >= :since
 group by 1 order by 1;

-- name: time_to_assign(tenant_id, looked_at)
-- How long the newest assigned leads waited for their rep, in seconds: the median, the 90th and the 99th percentile.
select count(*)::int as leads,
       percentile_cont(array[0.5, 0.9, 0.99]) within group (order by extract(epoch from a.assigned_at - l.received_at)::float8) as seconds
  from (select lead_id, assigned_at from assignment where tenant_id = :tenant_id order by lead_id desc limit :looked_at) a
 cross join lateral (select received_at from lead where tenant_id = :tenant_id and lead_id = a.lead_id limit 1) l;

-- name: offsets(tenant_ids, since, looked_at, of_source, least, ahead)
-- Of the last leads of each source of each tenant: by how many seconds the stamp of their creation is ahead of their arrival, in
-- the middle and at the quarters, and how many are too far ahead; as it arrived, whatever was corrected since. Only what is noticeable.
select t.tenant_id, s.source, count(*) as leads,
       percentile_cont(0.5) within group (order by s.ahead_s) as middle_s,
       percentile_cont(0.25) within group (order by s.ahead_s) as low_s,
       percentile_cont(0.75) within group (order by s.ahead_s) as high_s,
       count(distinct s.created_at) as stamps, count(distinct s.received_at) as arrivals,
       count(*) filter (where s.ahead_s > :ahead::float8) as future
  from lane t
 cross join lateral (
       select l.source, l.created_at, l.received_at, extract(epoch from l.created_at - l.received_at)::float8 as ahead_s,
              row_number() over (partition by l.source order by l.lead_id desc) as place
         from (select lead_id, source, coalesce((select c.created_before from lead_correction c
                                where c.tenant_id = t.tenant_id and c.lead_id = lead.lead_id
                                order by c.batch_no limit 1), created_at) as created_at, received_at from lead
                where lead.tenant_id = t.tenant_id order by lead_id desc limit :looked_at) l
        where l.received_at > :since) s
 where t.tenant_id = any(:tenant_ids::int[]) and s.place <= :of_source
 group by t.tenant_id, s.source
having count(*) >= :least and abs(percentile_cont(0.5) within group (order by s.ahead_s)) > :ahead::float8
    or count(*) filter (where s.ahead_s > :ahead::float8) > 0
 order by t.tenant_id, s.source;

-- name: stamps(tenant_id, source, since, looked_at)
-- The last leads of a source, the youngest first, with their stamps as they arrived.
select lead_id, external_id, created_at, received_at
  from (select lead_id, external_id, source, coalesce((select c.created_before from lead_correction c
                                where c.tenant_id = :tenant_id and c.lead_id = lead.lead_id
                                order by c.batch_no limit 1), created_at) as created_at, received_at from lead
         where tenant_id = :tenant_id order by lead_id desc limit :looked_at) l
 where source = :source and received_at > :since
 order by lead_id desc;

-- name: unmatched(tenant_id, source)
-- Leads of a source that no rule matched, and since when the oldest is queued.
select count(*) as leads, min(p.queued_at) as oldest
  from lead_pool p join wake_key k on k.tenant_id = p.tenant_id and k.wake_key = p.wake_key
 where p.tenant_id = :tenant_id and p.wake_key > 0 and coalesce(p.source, '') = :source
   and k.ruleset > 0 and k.targets !~ '[gowa]';

-- name: other_days(tenant_ids, offsets_s, session_s, since, looked_at)
-- Of the last leads of tenants whose zones have these offsets: how many there are, and how many are of another day by the offset of
-- the sessions.
select t.tenant_id, count(*) as leads,
       count(*) filter (where (l.created_at at time zone 'UTC' + make_interval(secs => o.offset_s))::date
                           <> (l.created_at at time zone 'UTC' + make_interval(secs => :session_s::float8))::date) as differ
  from lane t
  join unnest(:tenant_ids::int[], :offsets_s::float8[]) as o(tenant_id, offset_s) on o.tenant_id = t.tenant_id
 cross join lateral (select created_at, received_at from lead
                      where lead.tenant_id = t.tenant_id order by lead_id desc limit :looked_at) l
 where t.tenant_id = any(:tenant_ids) and l.received_at > :since
 group by t.tenant_id;

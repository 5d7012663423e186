-- name: tenants()
-- All tenants with rules or without: what their lanes did last, the lead that came last, how far they are counted, and whether
-- leads wait. All that a tenant costs in which nothing happens.
select t.tenant_id, t.name, t.time_zone, t.ruleset, l.batch_no, nullif(l.last_at, '-infinity') as last_batch_at,
       coalesce(l.paused_until > clock_timestamp(), false) as paused, clock_timestamp() as now,
       exists (select from lead_pool p where p.tenant_id = t.tenant_id) as waits,
       a.lead_id as last_lead, a.received_at as last_received_at,
       r.lead_id as reached_lead, r.batch_no as reached_batch, r.trends
  from tenant t join lane l on l.tenant_id = t.tenant_id
  left join lateral (select lead_id, received_at from lead where lead.tenant_id = t.tenant_id order by lead_id desc limit 1) a on true
  left join hour_count_reached r on r.tenant_id = t.tenant_id
 order by t.tenant_id;

-- name: tenants_among(tenant_ids)
-- As tenants, of some: while a server that has rows of others does not answer.
select t.tenant_id, t.name, t.time_zone, t.ruleset, l.batch_no, nullif(l.last_at, '-infinity') as last_batch_at,
       coalesce(l.paused_until > clock_timestamp(), false) as paused, clock_timestamp() as now,
       exists (select from lead_pool p where p.tenant_id = t.tenant_id) as waits,
       a.lead_id as last_lead, a.received_at as last_received_at,
       r.lead_id as reached_lead, r.batch_no as reached_batch, r.trends
  from tenant t join lane l on l.tenant_id = t.tenant_id
  left join lateral (select lead_id, received_at from lead where lead.tenant_id = t.tenant_id order by lead_id desc limit 1) a on true
  left join hour_count_reached r on r.tenant_id = t.tenant_id
 where l.tenant_id = any(:tenant_ids::int[])
 order by t.tenant_id;

-- name: arrivals(tenant_id, limit)
-- The last leads that came in, the latest first, and where each is: waiting under a wake key, parked, merged, or with a rep.
select l.received_at, p.wake_key, k.reason as parked, m.lead_id is not null as merged
  from (select tenant_id, lead_id, received_at from lead where tenant_id = :tenant_id order by lead_id desc limit :limit) l
  left join lateral (select wake_key from lead_pool where tenant_id = l.tenant_id and lead_id = l.lead_id) p on true
  left join lateral (select reason from parked where tenant_id = l.tenant_id and lead_id = l.lead_id) k on p is null
  left join lateral (select lead_id from merged where tenant_id = l.tenant_id and lead_id = l.lead_id) m on p is null and k is null
 order by l.lead_id desc;

-- name: parked_since(tenant_ids, since, limit)
-- Leads parked since then by reason, of at most so many for each tenant.
select t.tenant_id, p.reason, count(*) as leads
  from lane t
 cross join lateral (select reason from parked where parked.tenant_id = t.tenant_id and parked_at >= :since limit :limit) p
 where t.tenant_id = any(:tenant_ids::int[])
 group by t.tenant_id, p.reason;

-- name: open_ones()
-- Stalls that have not ended.
select tenant_id, id, topic, kind, subject, began_at, seen_at, ended_at, leads, oldest, reasons, sentence, parts from stall
 where ended_at is null order by tenant_id, id;

-- name: open_among(tenant_ids)
-- Those of these tenants that have not ended.
select tenant_id, id, topic, kind, subject, began_at, seen_at, ended_at, leads, oldest, reasons, sentence, parts from stall
 where tenant_id = any(:tenant_ids::int[]) and ended_at is null order by tenant_id, id;

-- name: begin(tenant_id, topic, kind, subject, began_at, leads, oldest, reasons, sentence, parts)
-- A new stall; no row when another instance has written it already.
insert into stall (tenant_id, topic, kind, subject, began_at, leads, oldest, reasons, sentence, parts)
values (:tenant_id, :topic, :kind, :subject, least(:began_at, clock_timestamp()), :leads, :oldest, :reasons::text::jsonb, :sentence,
        :parts::text::jsonb)
on conflict (tenant_id, topic, subject) where ended_at is null do nothing
returning id;

-- name: go_on(tenant_id, id, kind, leads, oldest, reasons, sentence, parts)
-- A stall that goes on, as it looks now. No row when it has ended meanwhile.
update stall set seen_at = statement_timestamp(), kind = :kind, leads = greatest(leads, :leads), oldest = :oldest::timestamptz,
                 reasons = :reasons::text::jsonb, sentence = :sentence, parts = :parts::text::jsonb
 where tenant_id = :tenant_id and id = :id and ended_at is null
returning id;

-- name: finish(tenant_id, id)
-- The end of a stall. No row when another instance has seen it already.
update stall set seen_at = statement_timestamp(), ended_at = greatest(began_at, statement_timestamp())
 where tenant_id = :tenant_id and id = :id and ended_at is null
returning leads, extract(epoch from ended_at - began_at)::float8 as lasted_s;

-- name: forget(kept)!
-- Deletes stalls that began and ended so long ago.
delete from stall using tenant t
 where stall.tenant_id = t.tenant_id and began_at < statement_timestamp() - :kept::interval and ended_at < statement_timestamp() - :kept::interval;

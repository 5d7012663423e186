-- name: tenant(tenant_id, now)
-- A tenant's versions in force and its lane's pause, at a time that never goes back behind the lane's own, unless a clock was
-- ahead.
select t.name, t.time_zone, t.ruleset, t.roster, t.rates,
       l.paused_until > coalesce(:now::timestamptz, clock_timestamp()) as paused, l.paused_until, l.paused_why,
       case when :now::timestamptz is null and l.last_at > clock_timestamp() + interval '10 min' then clock_timestamp()
            else greatest(coalesce(:now::timestamptz, clock_timestamp()), l.last_at) end as now
  from tenant t left join lane l on l.tenant_id = t.tenant_id
 where t.tenant_id = :tenant_id;

-- name: by_key(tenant_id, now)
-- All that waits, counted once per wake key; `due` of them are to be looked at again by now.
select p.wake_key, k.ruleset, k.targets, p.leads, p.due, p.oldest, p.recheck_at
  from (select wake_key, count(*) as leads, count(*) filter (where recheck_at <= :now) as due,
               min(queued_at) as oldest, min(recheck_at) as recheck_at
          from lead_pool where tenant_id = :tenant_id group by wake_key) p
  left join wake_key k on k.tenant_id = :tenant_id and k.wake_key = p.wake_key
 order by p.wake_key;

-- name: inbox(tenant_id)
-- What the next batch will take off the reps' loads.
select rep_no, day, sum(open_delta)::int as open_delta, sum(today_delta)::int as today_delta
  from lane_inbox where tenant_id = :tenant_id and rep_no is not null group by rep_no, day;

-- name: recent_batches(tenant_id, since, limit)
-- When the last batches since then were and how many leads they decided, the youngest first.
select at, leads from flight
 where tenant_id = :tenant_id and at > :since and kind = 'drain' order by batch_no desc limit :limit;

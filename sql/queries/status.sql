-- name: settings()!
-- For this transaction: count without a plan made for other numbers, whatever the role may take.
set local work_mem = '64MB'; set local statement_timeout = '60s'; set local jit = off; set local plan_cache_mode = force_custom_plan;

-- name: clock()
-- The database's time.
select clock_timestamp();

-- name: states(tenant_ids)
-- How many leads of each tenant are stored and how many are in each state; those that wait are counted by reason elsewhere.
select tenant_id, 'stored' as state, count(*) as leads from lead where tenant_id = any(:tenant_ids::int[]) group by tenant_id
union all
select tenant_id, 'assigned', count(*) from assignment where tenant_id = any(:tenant_ids::int[]) group by tenant_id
union all
select tenant_id, 'merged', count(*) from merged where tenant_id = any(:tenant_ids::int[]) group by tenant_id
union all
select tenant_id, 'closed', count(*) from closed where tenant_id = any(:tenant_ids::int[]) group by tenant_id
union all
select tenant_id, 'archived', leads from archived_count where tenant_id = any(:tenant_ids::int[])
union all
select tenant_id, 'removed', leads from removed_count where tenant_id = any(:tenant_ids::int[])
union all
select tenant_id, 'journalled', sum(leads + set_aside)::bigint from journalled where tenant_id = any(:tenant_ids::int[]) group by tenant_id;

-- name: parked(tenant_ids, now)
-- Parked leads by reason, and how many of them since when.
select tenant_id, reason, count(*) as leads, min(parked_at) as oldest, max(parked_at) as newest,
       count(*) filter (where parked_at > :now::timestamptz - interval '1 hour') as last_hour,
       count(*) filter (where parked_at > :now::timestamptz - interval '1 day') as last_day
  from parked where tenant_id = any(:tenant_ids::int[]) group by tenant_id, reason;

-- name: parked_details(tenant_ids, reason, limit)
-- What parked leads of a reason (null = of each) say of it: the sentences that most of them have, how many, and the newest lead of each.
select tenant_id, reason, detail, leads, example
  from (select tenant_id, reason, detail, count(*) as leads, max(lead_id) as example,
               row_number() over (partition by tenant_id, reason order by count(*) desc, max(lead_id) desc) as place
          from parked
         where tenant_id = any(:tenant_ids::int[]) and (:reason::text is null or reason = :reason)
         group by tenant_id, reason, detail) d
 where place <= :limit order by tenant_id, reason, place;

-- name: lanes(tenant_ids, now)
-- The lane of each tenant with its pause and its last batch, and the transaction that locked the row last. A pause that nobody recorded
-- was written into the row by hand, also when there was another one before.
select l.tenant_id, l.batch_no, f.at as last_at, f.kind, f.leads, l.next_visit_at,
       case when l.crashed_at > clock_timestamp() - interval '10 min' then l.crashes else 0 end as crashes,
       case when l.crashed_at > clock_timestamp() - interval '10 min' then l.careful else 0 end as careful,
       case when l.paused_until > :now then l.paused_until end as paused_until, l.paused_why,
       case when p.is_this then p.actor end as paused_by, case when p.is_this then p.at end as paused_at,
       l.xmax::text as locker
  from lane l
  left join lateral (select at, kind, leads from flight f
                      where f.tenant_id = l.tenant_id and f.batch_no = l.batch_no limit 1) f on true
  left join lateral (select actor, at, c.after = concat('until ', replace(to_char(l.paused_until at time zone 'UTC',
                                       'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', ''), '+00:00') as is_this from change c
                      where c.tenant_id = l.tenant_id and c.action = 'pause' and l.paused_until > :now
                      order by c.id desc limit 1) p on true
 where l.tenant_id = any(:tenant_ids::int[]);

-- name: holders(lockers)
-- Those of these transactions that still run, with their sessions. Of this server alone, whatever the tenant.
select h.transactionid::text as locker, h.pid, a.application_name, a.usename, host(a.client_addr) as client, a.xact_start
  from pg_locks h left join pg_stat_activity a on a.pid = h.pid
 where h.locktype = 'transactionid' and h.granted and h.mode = 'ExclusiveLock' and h.transactionid::text = any(:lockers::text[]);

-- name: came_in(tenant_ids, since, limit)
-- How many of the last leads of each tenant came since then; when all of the most that are looked at did, when the first did.
select t.tenant_id, count(*) as leads, min(l.received_at) as first
  from lane t
 cross join lateral (select received_at from lead where lead.tenant_id = t.tenant_id order by lead_id desc limit :limit) l
 where t.tenant_id = any(:tenant_ids::int[]) and l.received_at > :since
 group by t.tenant_id;

-- name: batches(tenant_ids, since, limit)
-- The last batches of each tenant since then, the youngest first.
select t.tenant_id, f.at, f.inputs
  from lane t
 cross join lateral (select at, inputs from flight
                      where flight.tenant_id = t.tenant_id and at > :since order by batch_no desc limit :limit) f
 where t.tenant_id = any(:tenant_ids::int[])
 order by t.tenant_id, f.at desc;

-- name: roster_syncs(tenant_ids)
-- What the last sync of each tenant's roster has to report.
select tenant_id, tried_at, taken_at, problem, problem_parts, warnings, warning_parts from roster_sync
 where tenant_id = any(:tenant_ids::int[]) and (problem <> '' or warnings <> '{}');

-- name: that_wait(tenant_ids)
-- Those of these tenants of which leads wait.
select l.tenant_id from lane l
 where l.tenant_id = any(:tenant_ids::int[]) and exists (select from lead_pool p where p.tenant_id = l.tenant_id);

-- name: pool_size(tenant_id)
-- How many leads wait, and since when the oldest is queued.
select count(*) as leads, min(queued_at) as oldest from lead_pool where tenant_id = :tenant_id;

-- name: ready(tenant_ids)
-- Leads that the next batch takes, and since when the oldest is queued.
select tenant_id, count(*) as leads, min(queued_at) as oldest from lead_pool
 where tenant_id = any(:tenant_ids::int[]) and wake_key = 0 group by tenant_id;

-- name: reps_without_group(tenant_ids)
-- Active reps of the roster in force that are in no group.
select r.tenant_id, p.rep_id
  from rep_row r join rep p on p.tenant_id = r.tenant_id and p.rep_no = r.rep_no
 where r.tenant_id = any(:tenant_ids::int[]) and r.to_version is null and r.active and r.groups = '{}'
 order by r.tenant_id, p.rep_id;

-- name: tenants_with_unnamed_groups(tenant_ids)
-- Tenants with an active rep in a group whose name the text of the rules in force does not have as a rule's group.
select distinct t.tenant_id
  from tenant t
  join ruleset v on v.tenant_id = t.tenant_id and v.version = t.ruleset
  join (select distinct r.tenant_id, n.group_no
          from rep_row r cross join unnest(r.groups) as n (group_no)
         where r.tenant_id = any(:tenant_ids::int[]) and r.to_version is null and r.active) m on m.tenant_id = t.tenant_id
  join grp g on g.tenant_id = m.tenant_id and g.group_no = m.group_no
 where v.source !~* ('group:[ ]*' || regexp_replace(g.name, '([^[:alnum:] ])', '\\\1', 'g') || '[ ]*(["'',}#]|\r|\n|$)');

-- name: zones_of_reps(tenant_ids)
-- The time zones of active reps of the roster in force, with the reps.
select r.tenant_id, r.time_zone, array_agg(p.rep_id order by p.rep_id) as reps
  from rep_row r join rep p on p.tenant_id = r.tenant_id and p.rep_no = r.rep_no
 where r.tenant_id = any(:tenant_ids::int[]) and r.to_version is null and r.active
 group by r.tenant_id, r.time_zone
 order by r.tenant_id, r.time_zone;

-- name: rules_with(tenant_ids, word)
-- The tenants whose rules in force have a word somewhere in their text.
select t.tenant_id from tenant t join ruleset r on r.tenant_id = t.tenant_id and r.version = t.ruleset
 where t.tenant_id = any(:tenant_ids::int[]) and position(:word in r.source) > 0;

-- name: sent_back(tenant_ids, since, hours, times)
-- What was sent back again and again: by what was asked for, when it was in so many different hours, the last time in `last`; and how
-- many leads were parked after that. Single leads of these times that are parked again.
select c.tenant_id, c.subject, c.times, c.first, c.last,
       (select count(*) from parked p where p.tenant_id = c.tenant_id and p.parked_at > c.last and p.reason <> 'screening'
           and (starts_with(c.subject, 'any reason') or starts_with(c.subject, concat('reason ', p.reason)))) as again
  from (select tenant_id, subject, count(distinct date_trunc('hour', at)) as times, min(at) as first, max(at) as last
          from change where tenant_id = any(:tenant_ids::int[]) and at > :since and action = 'retry' and before like '% parked'
         group by tenant_id, subject having count(distinct date_trunc('hour', at)) >= :hours) c
union all
select c.tenant_id, c.subject, count(*), min(c.at), max(c.at), 1
  from change c join parked p on p.tenant_id = c.tenant_id
   and p.lead_id = case when c.subject ~ '^lead [0-9]{1,18}$' then substr(c.subject, 6)::bigint end
 where c.tenant_id = any(:tenant_ids::int[]) and c.at > :since and c.action = 'unpark' and p.reason <> 'screening'
 group by c.tenant_id, c.subject having count(*) >= :times
 order by 1, 2;

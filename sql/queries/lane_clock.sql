-- name: whole_tables()!
-- For counting and dating anew, which may read every row of a tenant, until the transaction ends.
set local enable_seqscan = on; set local enable_bitmapscan = on; set local enable_sort = on; set local plan_cache_mode = force_custom_plan;
set local jit = off; set local statement_timeout = '300s';

-- name: wait_for(tenant_id)
-- Takes the lane, waiting for its holder as long as the transaction's lock_timeout allows; and when its last batch was.
select nullif(last_at, '-infinity') as last_at from lane where tenant_id = :tenant_id for update;

-- name: clock()
-- The database's time.
select clock_timestamp();

-- name: lanes_ahead(tenant_ids)
-- Of these lanes: the latest time of a batch, or of one of the last leads, where it is yet to come.
select l.tenant_id, greatest(l.latest_at, l.last_at, came.at) as at
  from lane l
 cross join lateral (select max(received_at) as at
                       from (select received_at from lead where lead.tenant_id = l.tenant_id order by lead_id desc limit 100) latest) came
 where l.tenant_id = any(:tenant_ids::int[])
   and greatest(l.latest_at, l.last_at, came.at) > clock_timestamp() + interval '1 min';

-- name: ahead_of_us(recent_s, jump_s)
-- By how many seconds the hosts of routers are ahead, at the most, of those that do not agree. Truly about all tenants.
select max(host_ahead_s) from process
 where tenant_id = 0 and host_ahead_s > :jump_s and beat_at > clock_timestamp() - make_interval(secs => :recent_s::float8);

-- name: first_ahead(tenant_id, now)
-- The first batch whose time is yet to come.
select min(batch_no) from flight where tenant_id = :tenant_id and at > :now;

-- name: set_lane(tenant_id, now, state_token)!
-- The lane goes on from now; routers read its state anew and come at once. A crash of the time to come was before now.
update lane set last_at = :now, state_token = :state_token, next_visit_at = :now,
       latest_at = greatest(latest_at, last_at), crashed_at = case when crashed_at > :now then :now else crashed_at end,
       aborted_at = case when aborted_at > :now then :now else aborted_at end
 where tenant_id = :tenant_id;

-- name: recount_day(tenant_id, now)!
-- The loads of the business day at `now`, from what was given on it; what stands in the inbox comes off later.
with today as (
    select (:now::timestamptz at time zone t.time_zone)::date as day, t.time_zone from tenant t where t.tenant_id = :tenant_id),
given as (
    select rep_no, assigned_at from assignment
     where tenant_id = :tenant_id and assigned_at between :now::timestamptz - interval '2 d' and :now::timestamptz + interval '2 d'
    union all
    select rep_no, assigned_at from assignment_history
     where tenant_id = :tenant_id and outcome <> 'withdrawn'
       and assigned_at between :now::timestamptz - interval '2 d' and :now::timestamptz + interval '2 d'),
counted as (
    select rep_no, count(*) as n from given, today where (assigned_at at time zone time_zone)::date = day group by rep_no
    union all
    select rep_no, -sum(today_delta) from lane_inbox i, today
     where i.tenant_id = :tenant_id and i.day = today.day and i.today_delta <> 0 group by rep_no),
summed as (select rep_no, sum(n)::int as n from counted group by rep_no)
update rep_load l set day = today.day, today = greatest(coalesce(found.n, 0), 0)
  from today, (select r.rep_no, s.n from rep_load r left join summed s on s.rep_no = r.rep_no where r.tenant_id = :tenant_id) found
 where l.tenant_id = :tenant_id and l.rep_no = found.rep_no;

-- name: look_again(tenant_id, now, first)!
-- Waiting leads that batches refused whose time is yet to come are looked at again now; locked rows are passed over.
update lead_pool set recheck_at = :now
 where ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and wake_key <> 0 and last_batch_no >= :first and recheck_at > :now for update skip locked));

-- name: date_flights(tenant_id, now)
-- Records of batches whose time is yet to come: as the next batch whose time was right, or now. Those whose time is before that of
-- an earlier batch: as that one.
with dated as (
    select batch_no, at,
           case when at > :now then coalesce(min(at) filter (where at <= :now) over (order by batch_no desc), :now) else at end as right_at
      from flight where tenant_id = :tenant_id),
ordered as (
    select batch_no, at, max(right_at) over (order by batch_no) as right_at from dated)
update flight f set at = o.right_at
  from ordered o
 where f.tenant_id = :tenant_id and f.batch_no = o.batch_no and f.at = o.at and o.right_at <> o.at
returning f.batch_no, f.at;

-- name: date_assignments(tenant_id, now, batch_nos, ats)!
-- Assignments of these batches: as they; any other of a time to come: now.
update assignment a
   set assigned_at = coalesce(b.at, least(a.assigned_at, :now))
  from assignment same
  left join unnest(:batch_nos::bigint[], :ats::timestamptz[]) as b(batch_no, at) on b.batch_no = same.batch_no
 where a.tenant_id = :tenant_id and same.tenant_id = :tenant_id and same.lead_id = a.lead_id
   and (b.at is not null or same.assigned_at > :now);

-- name: date_history(tenant_id, now, batch_nos, ats)!
-- The same for assignments that ended, and those that ended at a time to come.
update assignment_history h
   set assigned_at = coalesce(b.at, least(h.assigned_at, :now)), ended_at = least(h.ended_at, :now)
  from assignment_history same
  left join unnest(:batch_nos::bigint[], :ats::timestamptz[]) as b(batch_no, at) on b.batch_no = same.batch_no
 where h.tenant_id = :tenant_id and same.tenant_id = :tenant_id and same.lead_id = h.lead_id and same.batch_no = h.batch_no
   and same.ended_at = h.ended_at and (b.at is not null or same.assigned_at > :now or same.ended_at > :now);

-- name: date_leads(tenant_id, now)
-- Leads that came at a time to come: as the next lead whose time was right, or now. Those that came more than ten minutes before
-- one that was there already: as that one. The source's own time stays, where it gave one.
with dated as (
    select lead_id, received_at,
           case when received_at > :now
                then coalesce(min(received_at) filter (where received_at <= :now) over (order by lead_id desc), :now)
                else received_at end as right_at
      from lead where tenant_id = :tenant_id),
ordered as (
    select lead_id, received_at, right_at, max(right_at) over (order by lead_id) as after from dated),
meant as (
    select lead_id, received_at, case when right_at < after - interval '10 min' then after else right_at end as at from ordered)
update lead l
   set received_at = o.at,
       created_at = case when abs(extract(epoch from l.created_at - l.received_at)) >= 60 then l.created_at else o.at end
  from meant o
 where l.tenant_id = :tenant_id and l.lead_id = o.lead_id and o.at <> o.received_at
returning l.lead_id, l.received_at, l.created_at;

-- name: date_pool(tenant_id, now, lead_ids, received_ats, created_ats)!
-- Waiting leads that came at another time wait since then; any other of a time to come since now. Both are looked at again at once.
update lead_pool p
   set queued_at = coalesce(l.received_at, least(p.queued_at, :now)), created_at = coalesce(l.created_at, p.created_at),
       recheck_at = case when p.wake_key <> 0 then least(p.recheck_at, :now) else p.recheck_at end
  from lead_pool same
  left join unnest(:lead_ids::bigint[], :received_ats::timestamptz[], :created_ats::timestamptz[])
         as l(lead_id, received_at, created_at) on l.lead_id = same.lead_id
 where p.tenant_id = :tenant_id and same.tenant_id = :tenant_id and same.lead_id = p.lead_id
   and (l.lead_id is not null or same.queued_at > :now);

-- name: shorten_pause(tenant_id, now)!
-- A pause that was made at a time to come began now: it lasts as long as it was to.
update lane set paused_until = paused_until - (c.at - :now)
  from (select at from change where tenant_id = :tenant_id and action = 'pause' order by id desc limit 1) c
 where tenant_id = :tenant_id and paused_until is not null and c.at > :now;

-- name: date_parked(tenant_id, now)!
-- Leads that were parked at a time to come.
update parked set parked_at = :now where tenant_id = :tenant_id and parked_at > :now;

-- name: date_merged(tenant_id, now)!
-- Leads that were merged at a time to come.
update merged set merged_at = :now where tenant_id = :tenant_id and merged_at > :now;

-- name: date_closed(tenant_id, now)!
-- Leads that were closed at a time to come.
update closed set closed_at = :now where tenant_id = :tenant_id and closed_at > :now;

-- name: date_inbox(tenant_id, now)!
-- Endings of a time to come.
update lane_inbox set at = :now where tenant_id = :tenant_id and at > :now;

-- name: confirm(tenant_id, now, until)!
-- Nothing of the tenant is of a time to come any more, and for so long the database's clock is believed.
update lane set latest_at = :now, last_at = :now, clock_confirmed_until = :until where tenant_id = :tenant_id;

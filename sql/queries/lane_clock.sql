-- name: whole_tables()
-- For counting and dating anew, which may read every row of a tenant, until the transaction ends.
select set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true), set_config('enable_sort', 'on', true),
       set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),
       set_config('statement_timeout', '300s', true);

-- name: wait_for(tenant_id)
-- Takes the lane, waiting for its holder as long as the transaction's lock_timeout allows; and when its last batch was.
select nullif(last_at, '-infinity') as last_at from lane where tenant_id = :tenant_id for update;

-- name: clock()
-- The database's time.
select clock_timestamp();

-- name: lanes_ahead(tenant_ids)
-- Of these lanes: the latest time that a batch ever had, where it is yet to come, and whether the lane still stands there.
select tenant_id, greatest(latest_at, last_at), last_at > clock_timestamp() + interval '1 min' from lane
 where tenant_id = any(:tenant_ids::int[]) and greatest(latest_at, last_at) > clock_timestamp() + interval '1 min';

-- name: first_ahead(tenant_id, now)
-- The first batch whose time is yet to come.
select min(batch_no) from flight where tenant_id = :tenant_id and at > :now;

-- name: set_lane(tenant_id, now, state_token)!
-- The lane goes on from now; routers read its state anew and come at once. A crash of the time to come was before now.
update lane set last_at = :now, state_token = :state_token, next_visit_at = :now,
       crashed_at = least(crashed_at, :now), aborted_at = least(aborted_at, :now)
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
 where tenant_id = :tenant_id and ctid = any(array(
       select ctid from lead_pool
        where tenant_id = :tenant_id and wake_key <> 0 and last_batch_no >= :first and recheck_at > :now for update skip locked));

-- name: date_flights(tenant_id, now, first)!
-- Records of batches whose time is yet to come: as the next batch whose time was right, or now.
with right_time as (
    select batch_no, at, min(at) filter (where at <= :now) over (order by batch_no desc) as next
      from flight where tenant_id = :tenant_id and batch_no >= :first)
update flight f set at = coalesce(r.next, :now)
  from right_time r
 where f.tenant_id = :tenant_id and f.batch_no = r.batch_no and f.at = r.at and f.at > :now;

-- name: date_assignments(tenant_id, now)!
-- Assignments of a time to come: as their batch, or now.
update assignment a
   set assigned_at = coalesce((select min(at) from flight f where f.tenant_id = :tenant_id and f.batch_no = a.batch_no), :now)
 where a.tenant_id = :tenant_id and a.assigned_at > :now;

-- name: date_history(tenant_id, now)!
-- Assignments that were made or ended at a time to come: as their batch, or now.
update assignment_history h
   set assigned_at = case when h.assigned_at <= :now then h.assigned_at
                          else coalesce((select min(at) from flight f where f.tenant_id = :tenant_id and f.batch_no = h.batch_no), :now) end,
       ended_at = least(h.ended_at, :now)
 where h.tenant_id = :tenant_id and (h.assigned_at > :now or h.ended_at > :now);

-- name: date_leads(tenant_id, now)!
-- Leads that came at a time to come came now; the source's own time stays, where it gave one.
update lead
   set received_at = :now,
       created_at = case when abs(extract(epoch from created_at - received_at)) < 60 then :now else created_at end
 where tenant_id = :tenant_id and received_at > :now;

-- name: date_pool(tenant_id, now)!
-- Waiting leads of a time to come wait since now, and are looked at again at once.
update lead_pool p
   set queued_at = least(p.queued_at, :now), created_at = l.created_at,
       recheck_at = case when p.wake_key <> 0 then least(p.recheck_at, :now) else p.recheck_at end
  from lead l
 where p.tenant_id = :tenant_id and l.tenant_id = :tenant_id and l.lead_id = p.lead_id and p.queued_at > :now;

-- name: date_pool_that_seems_old(tenant_id)!
-- Waiting leads that came, by their time, more than a minute before one that was there already: they came after that one.
with came as (
    select lead_id, max(received_at) over (order by lead_id) as at from lead where tenant_id = :tenant_id)
update lead_pool p
   set queued_at = came.at
  from came
 where p.tenant_id = :tenant_id and came.lead_id = p.lead_id and p.queued_at < came.at - interval '1 min';

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

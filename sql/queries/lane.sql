-- name: tenants_with_work(now)
-- The one statement over all tenants: who has ready leads, news in the inbox, new versions, a visit due, or a lane that is
-- ahead of the clock.
select l.tenant_id
  from lane l join tenant t on t.tenant_id = l.tenant_id
 where t.ruleset > 0
   and (l.paused_until is null or l.paused_until <= coalesce(:now::timestamptz, clock_timestamp()))
   and (l.ruleset <> t.ruleset or l.roster <> t.roster or l.rates <> t.rates
        or l.next_visit_at <= coalesce(:now::timestamptz, clock_timestamp())
        or (:now::timestamptz is null and l.last_at > clock_timestamp() + interval '10 min')
        or exists (select from lead_pool p where p.tenant_id = l.tenant_id and p.wake_key = 0)
        or exists (select from lane_inbox i where i.tenant_id = l.tenant_id))
 order by l.tenant_id;

-- name: tenants_with_work_among(now, tenant_ids)
-- As tenants_with_work, of some: while a server that has rows of others does not answer. No plan of it reads rows of others.
select l.tenant_id
  from lane l join tenant t on t.tenant_id = l.tenant_id
 where l.tenant_id = any(:tenant_ids::int[]) and t.ruleset > 0
   and (l.paused_until is null or l.paused_until <= coalesce(:now::timestamptz, clock_timestamp()))
   and (l.ruleset <> t.ruleset or l.roster <> t.roster or l.rates <> t.rates
        or l.next_visit_at <= coalesce(:now::timestamptz, clock_timestamp())
        or (:now::timestamptz is null and l.last_at > clock_timestamp() + interval '10 min')
        or exists (select from lead_pool p where p.tenant_id = l.tenant_id and p.tenant_id = any(:tenant_ids::int[]) and p.wake_key = 0)
        or exists (select from lane_inbox i where i.tenant_id = l.tenant_id and i.tenant_id = any(:tenant_ids::int[])))
 order by l.tenant_id;

-- name: there(tenant_ids)
-- Which of these tenants have a lane: asks every server that has rows of them, and reads next to nothing.
select tenant_id from lane where tenant_id = any(:tenant_ids::int[]);

-- name: steady_plans()!
-- For what is asked without a lane: plans by index, made anew, until the transaction ends; `hold` sets the same and more.
set local plan_cache_mode = force_custom_plan; set local enable_seqscan = off; set local enable_bitmapscan = off; set local jit = off;

-- name: hold(tenant_id, now, statement_timeout, idle_timeout, lock_timeout, tcp_user_timeout)
-- Takes the lane, or no row when another holds it; sets the transaction's limits and keeps plans on the indexes.
-- previous_holder_aborted = the transaction that had locked the row before was rolled back: read first, since locking
-- overwrites it. Crashes are forgotten ten minutes after the last. The lane's time never goes back, but for a clock that was
-- ahead by more than ten minutes: until then it stands. day_returns = a business day on which there were batches before comes
-- once more, as it may after such a clock.
select before.previous_holder_aborted, l.aborted_at is not null as abort_unexplained, l.noted_lead, l.noted_by, l.noted_crashes,
       case when l.crashed_at > clock_timestamp() - interval '10 min' then l.crashes else 0 end as crashes,
       case when l.crashed_at > clock_timestamp() - interval '10 min' then l.careful else 0 end as careful,
       l.batch_no, l.state_token, nullif(l.last_at, '-infinity') as last_at, l.next_visit_at, l.next_wake_key,
       l.ruleset as seen_ruleset, l.roster as seen_roster, l.rates as seen_rates,
       t.ruleset, t.roster, t.rates, t.name,
       l.paused_until > coalesce(:now::timestamptz, clock_timestamp()) as paused,
       m.now, c.clock, l.clock_confirmed_until,
       l.latest_at > l.last_at and (l.last_at at time zone t.time_zone)::date <> (m.now at time zone t.time_zone)::date
         and (l.latest_at at time zone t.time_zone)::date >= (m.now at time zone t.time_zone)::date as day_returns,
       exists (select from lane_inbox i where i.tenant_id = :tenant_id) as has_news,
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('jit', 'off', true),
       set_config('statement_timeout', :statement_timeout, true),
       set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
       set_config('lock_timeout', :lock_timeout, true),
       set_config('tcp_user_timeout', :tcp_user_timeout, true)
  from (select case when xmax = '0' then false
                    else coalesce((select pg_xact_status((next_xid - age)::text::xid8) = 'aborted'
                                     from (select next_xid, (next_xid - xmax::text::bigint + 4294967296) % 4294967296 as age
                                             from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next_xid) n) a
                                    where age between 1 and 100000000), false) end as previous_holder_aborted
          from lane where tenant_id = :tenant_id offset 0) before
 cross join lane l join tenant t on t.tenant_id = l.tenant_id
 cross join (select clock_timestamp() as clock offset 0) c
 cross join lateral (select case when :now::timestamptz is null and l.last_at > c.clock + interval '10 min' then c.clock
                                 else greatest(coalesce(:now::timestamptz, c.clock), l.last_at) end as now offset 0) m
 where l.tenant_id = :tenant_id
   for update of l skip locked;

-- name: plan_anew()!
-- Until the transaction ends each statement is planned each time, on the indexes, as `hold` left it.
set local plan_cache_mode = force_custom_plan;

-- name: wait_for(tenant_id)
-- Takes the lane for a change by hand, waiting for its holder as long as the transaction's lock_timeout allows.
select tenant_id from lane where tenant_id = :tenant_id for update;

-- name: fold_inbox(tenant_id, limit)
-- Takes the news for the lane; `at` is read after the endings committed, so that no place is given before it was free. A clock
-- that was ahead moves nobody's time.
with news as (
    delete from lane_inbox
     where ctid = any(array(
           select ctid from lane_inbox where tenant_id = :tenant_id order by id limit :limit for update skip locked))
    returning rep_no, open_delta, day, today_delta, lead_id, at)
select rep_no, open_delta, day, today_delta, lead_id,
       case when at > clock_timestamp() + interval '10 min' then clock_timestamp() else greatest(at, clock_timestamp()) end as at
  from news;

-- name: put_assignments(tenant_id, assigned_at, batch_no, ruleset, lead_ids, rep_nos, previous, customers, seqs, rules, groups, owned, owners)!
-- Writes a batch's assignments and their event, and sets or moves the owners of customers. previous = the reps who had them, of
-- assigned leads.
with owner as (
    insert into customer_owner (tenant_id, customer_id, rep_no)
    select :tenant_id, o.customer_id, o.rep_no from unnest(:owned::bigint[], :owners::int[]) as o(customer_id, rep_no)
        on conflict (tenant_id, customer_id) do update set rep_no = excluded.rep_no),
happened as (
    insert into event (tenant_id, type, at, batch_no, ruleset, leads, reps, previous, rules, groups)
    select t.tenant_id, case when :previous::bigint[] is null then 'lead.assigned' else 'lead.reassigned' end, :assigned_at, :batch_no,
           :ruleset::int, :lead_ids::bigint[], :rep_nos::int[], :previous::bigint[], :rules::int[], :groups::int[]
      from tenant t where t.tenant_id = :tenant_id and t.events_since is not null)
insert into assignment (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no)
select :tenant_id, a.lead_id, a.rep_no, a.customer_id, :assigned_at, :batch_no, a.seq, a.rule_no, a.group_no
  from unnest(:lead_ids::bigint[], :rep_nos::int[], :customers::bigint[], :seqs::int[], :rules::int[], :groups::int[])
    as a(lead_id, rep_no, customer_id, seq, rule_no, group_no);

-- name: close(tenant_id, day, rep_nos, opened, today, group_nos, reps, credits, recorded, kind, leads, inputs, batch_no, at, ruleset, roster, rates, state_token, next_visit_at, next_wake_key)!
-- Closes a visit of the lane: loads that changed, credits of the groups that gave leads (their arrays come as texts, because
-- unnest takes no ragged ones), the flight record if there is one, and the lane itself.
with loads as (
    insert into rep_load (tenant_id, rep_no, open, day, today)
    select :tenant_id, l.rep_no, l.open, :day, l.today
      from unnest(:rep_nos::int[], :opened::int[], :today::int[]) as l(rep_no, open, today)
        on conflict (tenant_id, rep_no) do update set open = excluded.open, day = excluded.day, today = excluded.today),
shares as (
    insert into group_share (tenant_id, group_no, reps, credit)
    select :tenant_id, s.group_no, s.reps::int[], s.credit::bigint[]
      from unnest(:group_nos::int[], :reps::text[], :credits::text[]) as s(group_no, reps, credit)
        on conflict (tenant_id, group_no) do update set reps = excluded.reps, credit = excluded.credit),
record as (
    insert into flight (tenant_id, batch_no, at, ruleset, roster, rates, kind, leads, inputs)
    select :tenant_id, :batch_no, :at, :ruleset, :roster, :rates, :kind, :leads, :inputs where :recorded)
update lane set batch_no = :batch_no, state_token = :state_token, last_at = :at, latest_at = greatest(latest_at, :at),
       next_visit_at = :next_visit_at,
       ruleset = :ruleset, roster = :roster, rates = :rates, next_wake_key = :next_wake_key
 where tenant_id = :tenant_id;

-- name: next_recheck(tenant_id)
-- The earliest time at which a waiting lead is to be looked at again.
select recheck_at from lead_pool where tenant_id = :tenant_id and recheck_at is not null order by recheck_at limit 1;

-- name: loads(tenant_id)
-- All loads of a tenant.
select rep_no, open, day, today from rep_load where tenant_id = :tenant_id;

-- name: shares(tenant_id)
-- All credits of a tenant.
select group_no, reps, credit from group_share where tenant_id = :tenant_id;

-- name: kept(tenant_id)
-- All that a router remembers of a lane from batch to batch, in one answer: loads, credits, wake keys, and the earliest time at
-- which a waiting lead is to be looked at again. Rows go as JSON: records of no type of their own travel between no servers.
select (select json_agg(json_build_array(rep_no, open, day, today)) from rep_load where tenant_id = :tenant_id) as loads,
       (select json_agg(json_build_array(group_no, reps, credit)) from group_share where tenant_id = :tenant_id) as shares,
       (select json_agg(json_build_array(wake_key, ruleset, targets)) from wake_key where tenant_id = :tenant_id) as wake_keys,
       (select recheck_at from lead_pool where tenant_id = :tenant_id and recheck_at is not null order by recheck_at limit 1) as next_recheck;

-- name: left_over(tenant_id, limit)
-- How many ready leads are left, counted up to a limit: after an idle visit these are locked by somebody else, or new. And the number of
-- the lane's last batch: it moves while somebody drains.
select (select count(*) from (select from lead_pool where tenant_id = :tenant_id and wake_key = 0 limit :limit) as leads) as ready,
       (select batch_no from lane where tenant_id = :tenant_id) as batch_no;

-- Every statement after `settings`, `states` and the helpers is one kind of violation (see ops/audit/kinds.py): no row =
-- none. A row is an example; `found` is how many there are in all. They read one snapshot and change nothing.

-- name: hold_partitions()!
-- Before the snapshot is taken: no partition goes between it and the statements that read it.
lock table flight, assignment_history in access share mode;

-- name: settings()!
-- For this transaction: room to hash a million ids, never a loop over a million rows.
set local work_mem = '64MB'; set local jit = off; set local enable_nestloop = off; set local plan_cache_mode = force_custom_plan;

-- name: states(tenant_id)
-- How many leads are stored, and how many rows say that a lead is in this or that state; those in journals are accepted, too.
select (select count(*) from lead where tenant_id = :tenant_id) as stored,
       (select count(*) from lead_pool where tenant_id = :tenant_id) as waiting,
       (select count(*) from assignment where tenant_id = :tenant_id) as assigned,
       (select count(*) from parked where tenant_id = :tenant_id) as parked,
       (select count(*) from merged where tenant_id = :tenant_id) as merged,
       (select count(*) from closed where tenant_id = :tenant_id) as closed,
       coalesce((select leads from archived_count where tenant_id = :tenant_id), 0) as archived,
       coalesce((select leads from removed_count where tenant_id = :tenant_id), 0) as removed,
       (select coalesce(sum(leads + set_aside), 0)::bigint from journalled where tenant_id = :tenant_id) as journalled;

-- name: rulesets_used(tenant_id)
-- The rulesets under which batches decided; their defaults are the caps of reps who have none of their own.
select version, source from ruleset
 where tenant_id = :tenant_id and version in (select ruleset from flight where tenant_id = :tenant_id)
 order by version;

-- name: sample_of_flights(tenant_ids, n)
-- The last n batches of these tenants and n others at random.
(select tenant_id, batch_no from flight where tenant_id = any(:tenant_ids::int[]) order by at desc, batch_no desc limit :n)
union
(select tenant_id, batch_no from flight where tenant_id = any(:tenant_ids::int[]) order by random() limit :n)
order by tenant_id, batch_no;

-- name: given_in(tenant_id, batch_nos)
-- The assignments, current and past, that these batches made.
select batch_no, lead_id, rep_no, rule_no, group_no from assignment
 where tenant_id = :tenant_id and batch_no = any(:batch_nos::bigint[])
union all
select batch_no, lead_id, rep_no, rule_no, group_no from assignment_history
 where tenant_id = :tenant_id and batch_no = any(:batch_nos::bigint[]);

-- name: unknown_tenant()
-- Rows of a tenant that does not exist. Truly about all tenants.
with named as (
    select 'lead' as what, tenant_id, count(*) as n from lead group by tenant_id
    union all select 'lead_pool', tenant_id, count(*) from lead_pool group by tenant_id
    union all select 'assignment', tenant_id, count(*) from assignment group by tenant_id
    union all select 'assignment_history', tenant_id, count(*) from assignment_history group by tenant_id
    union all select 'parked', tenant_id, count(*) from parked group by tenant_id
    union all select 'merged', tenant_id, count(*) from merged group by tenant_id
    union all select 'closed', tenant_id, count(*) from closed group by tenant_id
    union all select 'lane', tenant_id, count(*) from lane group by tenant_id
    union all select 'lane_inbox', tenant_id, count(*) from lane_inbox group by tenant_id
    union all select 'rep_load', tenant_id, count(*) from rep_load group by tenant_id
    union all select 'flight', tenant_id, count(*) from flight group by tenant_id)
select (sum(n) over ())::bigint as found, format('%s rows of %s name tenant %s', n, what, tenant_id) as example
  from named where not exists (select from tenant t where t.tenant_id = named.tenant_id)
 order by tenant_id, what limit 5;

-- name: uniqueness_not_enforced()
-- Tables without a valid unique index on exactly (tenant_id, lead_id): promise 2 would rest on the code alone.
select count(*) over () as found, format('table %s', name) as example
  from unnest('{lead,lead_pool,assignment,parked,merged,closed}'::text[]) name
 where not exists (
    select from pg_index i
     where i.indrelid = to_regclass(name) and i.indisunique and i.indisvalid and i.indpred is null and i.indnkeyatts = 2
       and (select array_agg(a.attname::text order by a.attname) from pg_attribute a
             where a.attrelid = i.indrelid and a.attnum = any(i.indkey)) = '{lead_id,tenant_id}'::text[])
 order by name limit 5;

-- name: lead_without_state(tenant_id)
-- Accepted leads that are in no state.
select count(*) over () as found, format('lead %s (%s %s)', lead_id, source, external_id) as example
  from lead
 where tenant_id = :tenant_id
   and not exists (select from lead_pool s where s.tenant_id = lead.tenant_id and s.lead_id = lead.lead_id)
   and not exists (select from assignment s where s.tenant_id = lead.tenant_id and s.lead_id = lead.lead_id)
   and not exists (select from parked s where s.tenant_id = lead.tenant_id and s.lead_id = lead.lead_id)
   and not exists (select from merged s where s.tenant_id = lead.tenant_id and s.lead_id = lead.lead_id)
   and not exists (select from closed s where s.tenant_id = lead.tenant_id and s.lead_id = lead.lead_id)
 order by lead_id limit 5;

-- name: journal_differs(tenant_id)
-- Journals that took leads which are neither drained nor in them, or hold more than they took.
select sum(abs(taken - drained - leads - set_aside - given_up)) over ()::bigint as found,
       format('journal %s: took %s, drained %s, holds %s, set aside %s, given up %s', journal_id, taken, drained, leads, set_aside, given_up) as example
  from journalled
 where tenant_id = :tenant_id and taken <> drained + leads + set_aside + given_up
 order by journal_id limit 5;

-- name: lead_in_two_states(tenant_id)
-- Leads of which more than one table says that they are in its state.
with placed as (
    select lead_id, 'waiting' as state from lead_pool where tenant_id = :tenant_id
    union all select lead_id, 'assigned' from assignment where tenant_id = :tenant_id
    union all select lead_id, 'parked' from parked where tenant_id = :tenant_id
    union all select lead_id, 'merged' from merged where tenant_id = :tenant_id
    union all select lead_id, 'closed' from closed where tenant_id = :tenant_id)
select count(*) over () as found,
       format('lead %s: %s', lead_id, string_agg(distinct state, ' and ' order by state)) as example
  from placed group by lead_id having count(*) > 1 and min(state) <> max(state)
 order by lead_id limit 5;

-- name: state_without_lead(tenant_id)
-- Rows that give a state, or a past owner, to a lead that does not exist.
with placed as (
    select lead_id, 'lead_pool' as what from lead_pool where tenant_id = :tenant_id
    union all select lead_id, 'assignment' from assignment where tenant_id = :tenant_id
    union all select lead_id, 'assignment_history' from assignment_history where tenant_id = :tenant_id
    union all select lead_id, 'parked' from parked where tenant_id = :tenant_id
    union all select lead_id, 'merged' from merged where tenant_id = :tenant_id
    union all select lead_id, 'closed' from closed where tenant_id = :tenant_id)
select count(*) over () as found, format('lead %s in %s', lead_id, what) as example
  from placed
 where not exists (select from lead l where l.tenant_id = :tenant_id and l.lead_id = placed.lead_id)
   and (what <> 'assignment_history'
        or not exists (select from archived a where a.tenant_id = :tenant_id and a.lead_id = placed.lead_id))
 order by lead_id limit 5;

-- name: archived_differs(tenant_id)
-- Archived leads that are not counted, or counted and not there, or there as leads, too.
select abs(counted - there) + again as found, format('%s counted, %s there, %s of them also leads', counted, there, again) as example
  from (select coalesce((select leads from archived_count where tenant_id = :tenant_id), 0) as counted,
               (select count(*) from archived where tenant_id = :tenant_id) as there,
               (select count(*) from archived a where a.tenant_id = :tenant_id
                   and (exists (select from lead l where l.tenant_id = :tenant_id and l.lead_id = a.lead_id)
                        or exists (select from lead l where l.tenant_id = :tenant_id and l.source = a.source
                                      and l.external_id = a.external_id))) as again) n
 where counted <> there or again > 0;

-- name: removed_differs(tenant_id)
-- Leads removed on purpose that are not counted, or counted and not there, or there as leads, too.
select abs(counted - there) + again as found, format('%s counted, %s there, %s of them also leads', counted, there, again) as example
  from (select coalesce((select leads from removed_count where tenant_id = :tenant_id), 0) as counted,
               (select count(*) from removed_lead where tenant_id = :tenant_id) as there,
               (select count(*) from removed_lead r where r.tenant_id = :tenant_id
                   and exists (select from lead l where l.tenant_id = :tenant_id and l.lead_id = r.lead_id)) as again) n
 where counted <> there or again > 0;

-- name: merged_into_missing(tenant_id)
-- Leads merged into one that does not exist.
select count(*) over () as found, format('lead %s into %s', lead_id, into_lead_id) as example
  from merged m
 where tenant_id = :tenant_id
   and not exists (select from lead l where l.tenant_id = m.tenant_id and l.lead_id = m.into_lead_id)
 order by lead_id limit 5;

-- name: merged_chain(tenant_id)
-- Leads merged into one that was merged itself: nobody may ever get to the end of the chain.
select count(*) over () as found, format('lead %s into %s into %s', m.lead_id, n.lead_id, n.into_lead_id) as example
  from merged m join merged n on n.tenant_id = m.tenant_id and n.lead_id = m.into_lead_id
 where m.tenant_id = :tenant_id
 order by m.lead_id limit 5;

-- name: customer_differs(tenant_id)
-- Waiting and assigned leads with another customer than the lead.
with placed as (
    select lead_id, customer_id, 'lead_pool' as what from lead_pool where tenant_id = :tenant_id
    union all select lead_id, customer_id, 'assignment' from assignment where tenant_id = :tenant_id)
select count(*) over () as found,
       format('lead %s: customer %s, in %s customer %s', l.lead_id, coalesce(l.customer_id::text, 'none'), placed.what,
              coalesce(placed.customer_id::text, 'none')) as example
  from placed join lead l on l.tenant_id = :tenant_id and l.lead_id = placed.lead_id
 where l.customer_id is distinct from placed.customer_id
 order by l.lead_id limit 5;

-- name: customer_merged_away(tenant_id)
-- Leads, keys and owners of a customer that is part of another one now.
select count(*) over () as found, format('customer %s (merge %s): %s', m.customer_id, m.merge_id, named.what) as example
  from customer_merge m
 cross join lateral (
       select format('lead %s', l.lead_id) as what from lead l
        where l.tenant_id = m.tenant_id and l.customer_id = m.customer_id
       union all
       select format('key %s', k.key) from customer_key k where k.tenant_id = m.tenant_id and k.customer_id = m.customer_id
       union all
       select format('owner rep %s', o.rep_no) from customer_owner o
        where o.tenant_id = m.tenant_id and o.customer_id = m.customer_id) as named
 where m.tenant_id = :tenant_id and m.parted_at is null
 order by m.merge_id, named.what limit 5;

-- name: lane_missing(tenant_id)
-- A tenant without a lane is never drained.
select 1::bigint as found, format('tenant %s', t.name) as example
  from tenant t
 where t.tenant_id = :tenant_id and not exists (select from lane where lane.tenant_id = t.tenant_id);

-- name: lead_assigned_twice(tenant_id)
-- Leads with more than one current assignment.
select count(*) over () as found, format('lead %s: reps %s', lead_id, string_agg(rep_no::text, ', ' order by rep_no)) as example
  from assignment where tenant_id = :tenant_id group by lead_id having count(*) > 1
 order by lead_id limit 5;

-- name: seq_doubled(tenant_id)
-- Two assignments at the same place of one batch, or one assignment that ended twice or ended and goes on.
with given as (
    select lead_id, batch_no, seq from assignment where tenant_id = :tenant_id
    union all select lead_id, batch_no, seq from assignment_history where tenant_id = :tenant_id)
select count(*) over () as found,
       format('batch %s, place %s: leads %s', batch_no, seq, string_agg(lead_id::text, ', ' order by lead_id)) as example
  from given group by batch_no, seq having count(*) > 1
 order by batch_no, seq limit 5;

-- name: wake_key_unknown(tenant_id)
-- Refused leads that wait for a wake key which does not exist: nothing wakes them but the clock.
with waits as (
    select wake_key, count(*) as n, min(lead_id) as lead_id from lead_pool
     where tenant_id = :tenant_id and wake_key <> 0 group by wake_key)
select (sum(n) over ())::bigint as found, format('wake key %s: %s leads, the first is %s', wake_key, n, lead_id) as example
  from waits
 where not exists (select from wake_key k where k.tenant_id = :tenant_id and k.wake_key = waits.wake_key)
 order by wake_key limit 5;

-- name: batch_unknown(tenant_id)
-- Decisions of a batch that has no flight record.
with named as (
    select 'assignment' as what, batch_no, count(*) as n, min(lead_id) as lead_id
      from assignment where tenant_id = :tenant_id group by batch_no
    union all select 'past assignment', batch_no, count(*), min(lead_id)
      from assignment_history where tenant_id = :tenant_id group by batch_no
    union all select 'refusal', last_batch_no, count(*), min(lead_id)
      from lead_pool where tenant_id = :tenant_id and last_batch_no is not null group by last_batch_no
    union all select 'parking', last_batch_no, count(*), min(lead_id)
      from parked where tenant_id = :tenant_id and last_batch_no is not null group by last_batch_no)
select (sum(n) over ())::bigint as found,
       format('batch %s: %s of %s leads, the first is %s', batch_no, what, n, lead_id) as example
  from named
 where not exists (select from flight f where f.tenant_id = :tenant_id and f.batch_no = named.batch_no)
   and named.batch_no > coalesce((select batch_no from removed r where r.tenant_id = :tenant_id and r.name = 'flight'), 0)
 order by batch_no, what limit 5;

-- name: flight_missing(tenant_id)
-- Batches that ran and have no flight record.
with ran as (
    select generate_series(coalesce((select batch_no from removed r where r.tenant_id = :tenant_id and r.name = 'flight'), 0) + 1,
                           batch_no) as batch_no
      from lane where tenant_id = :tenant_id)
select count(*) over () as found, format('batch %s', batch_no) as example
  from ran
 where not exists (select from flight f where f.tenant_id = :tenant_id and f.batch_no = ran.batch_no)
 order by batch_no limit 5;

-- name: flight_doubled(tenant_id)
-- Batches with more than one flight record.
select count(*) over () as found, format('batch %s: %s records', batch_no, count(*)) as example
  from flight where tenant_id = :tenant_id group by batch_no having count(*) > 1
 order by batch_no limit 5;

-- name: flight_beyond_lane(tenant_id)
-- Flight records of batches that the lane has not come to: the lane went back, and will use their numbers again.
select count(*) over () as found, format('batch %s, the lane is at %s', f.batch_no, lane.batch_no) as example
  from flight f join lane on lane.tenant_id = f.tenant_id
 where f.tenant_id = :tenant_id and f.batch_no > lane.batch_no
 order by f.batch_no limit 5;

-- name: flight_out_of_order(tenant_id)
-- Batches that say they ran before the batch before them, or after the lane's last instant.
with record as (
    select batch_no, at, lag(at) over (order by batch_no, at) as before from flight where tenant_id = :tenant_id
    union all select batch_no, last_at, (select max(at) from flight where tenant_id = :tenant_id)
      from lane where tenant_id = :tenant_id and batch_no > 0)
select count(*) over () as found, format('batch %s at %s, after one at %s', batch_no, at, before) as example
  from record where at < before
 order by batch_no limit 5;

-- name: time_to_come(tenant_id)
-- Rows of times that are more than a minute ahead.
with dated as (
    select 'lane' as what, last_at as at from lane where tenant_id = :tenant_id and last_at > clock_timestamp() + interval '1 min'
    union all select 'flight', at from flight where tenant_id = :tenant_id and at > clock_timestamp() + interval '1 min'
    union all select 'assignment', assigned_at from assignment
               where tenant_id = :tenant_id and assigned_at > clock_timestamp() + interval '1 min'
    union all select 'assignment_history', ended_at from assignment_history
               where tenant_id = :tenant_id and ended_at > clock_timestamp() + interval '1 min'
    union all select 'lead', received_at from lead
               where tenant_id = :tenant_id and received_at > clock_timestamp() + interval '1 min'
    union all select 'lead_pool', queued_at from lead_pool
               where tenant_id = :tenant_id and queued_at > clock_timestamp() + interval '1 min')
select (sum(count(*)) over ())::bigint as found, format('%s rows of %s, up to %s', count(*), what, max(at)) as example
  from dated group by what order by what limit 5;

-- name: assigned_at_wrong(tenant_id)
-- Assignments that do not carry the instant of their batch; those that a CRM had made before carry their own.
with given as (
    select lead_id, batch_no, assigned_at from assignment where tenant_id = :tenant_id
    union all select lead_id, batch_no, assigned_at from assignment_history where tenant_id = :tenant_id)
select count(*) over () as found,
       format('lead %s: assigned at %s, batch %s ran at %s', lead_id, assigned_at, batch_no, f.at) as example
  from given join (select batch_no, min(at) as at from flight where tenant_id = :tenant_id and kind <> 'import' group by batch_no) f using (batch_no)
 where assigned_at <> f.at
 order by lead_id limit 5;

-- name: unknown_rep(tenant_id)
-- Rows that name a rep who does not exist, or who was not in the roster of the batch that chose the rep.
with record as (
    select distinct on (batch_no) batch_no, roster from flight where tenant_id = :tenant_id order by batch_no, at),
given as (
    select 'assignment' as what, rep_no, batch_no from assignment where tenant_id = :tenant_id
    union all select 'past assignment', rep_no, batch_no from assignment_history where tenant_id = :tenant_id),
named as (
    select what, rep_no, roster, count(*) as n from given left join record using (batch_no) group by what, rep_no, roster
    union all select 'rep_load', rep_no, null, 1 from rep_load where tenant_id = :tenant_id
    union all select 'lane_inbox', rep_no, null, count(*) from lane_inbox
               where tenant_id = :tenant_id and rep_no is not null group by rep_no
    union all select 'customer_owner', rep_no, null, count(*) from customer_owner
               where tenant_id = :tenant_id group by rep_no
    union all select 'group_share', unnest(reps), null, 1 from group_share where tenant_id = :tenant_id)
select (sum(n) over ())::bigint as found,
       format('rep %s: %s rows of %s%s', rep_no, n, what, ' under roster ' || roster) as example
  from named
  left join lateral (
       select from_version, to_version from rep_row
        where tenant_id = :tenant_id and rep_no = named.rep_no and from_version <= named.roster
        order by from_version desc limit 1) r on true
 where not exists (select from rep where rep.tenant_id = :tenant_id and rep.rep_no = named.rep_no)
    or (roster is not null and (from_version is null or to_version <= roster))
 order by rep_no, what, roster limit 5;

-- name: unknown_group(tenant_id)
-- Rows that name a group which does not exist.
with named as (
    select 'assignment' as what, group_no, count(*) as n from assignment
     where tenant_id = :tenant_id and group_no is not null group by group_no
    union all select 'past assignment', group_no, count(*) from assignment_history
     where tenant_id = :tenant_id and group_no is not null group by group_no
    union all select 'group_share', group_no, 1 from group_share where tenant_id = :tenant_id
    union all select 'rep_row', unnest(groups), 1 from rep_row where tenant_id = :tenant_id)
select (sum(n) over ())::bigint as found, format('group %s: %s rows of %s', group_no, sum(n), what) as example
  from (select what, group_no, sum(n) as n from named group by what, group_no) named
 where not exists (select from grp where grp.tenant_id = :tenant_id and grp.group_no = named.group_no)
 group by what, group_no, n
 order by group_no, what limit 5;

-- name: unknown_version(tenant_id)
-- Versions of roster, ruleset or rates that rows name and that do not exist (0 = none).
with named as (
    select what, kind, version from
        (select 'tenant' as what, roster, ruleset, rates from tenant where tenant_id = :tenant_id
         union all select 'lane', roster, ruleset, rates from lane where tenant_id = :tenant_id
         union all select distinct 'flight', roster, ruleset, rates from flight where tenant_id = :tenant_id) v,
        lateral (values ('roster', roster), ('ruleset', ruleset), ('rates', rates)) as k (kind, version)
    union select 'wake_key', 'ruleset', ruleset from wake_key where tenant_id = :tenant_id
    union select 'rep_row', 'roster', from_version from rep_row where tenant_id = :tenant_id
    union select 'rep_row', 'roster', to_version from rep_row where tenant_id = :tenant_id and to_version is not null),
known as (
    select 'roster' as kind, version from roster_version where tenant_id = :tenant_id
    union all select 'ruleset', version from ruleset where tenant_id = :tenant_id
    union all select 'rates', version from rates where tenant_id = :tenant_id)
select count(*) over () as found, format('%s %s, named by %s', kind, version, what) as example
  from named
 where version <> 0 and not exists (select from known where known.kind = named.kind and known.version = named.version)
 order by kind, version, what limit 5;

-- name: roster_overlap(tenant_id)
-- Reps of whom the roster says two things at once.
with said as (
    select rep_no, from_version, to_version, lead(from_version) over (partition by rep_no order by from_version) as next
      from rep_row where tenant_id = :tenant_id)
select count(*) over () as found,
       format('rep %s: rows from version %s and from version %s', rep_no, from_version, next) as example
  from said where next is not null and (to_version is null or next < to_version)
 order by rep_no, from_version limit 5;

-- name: open_load_wrong(tenant_id)
-- Reps whose open load, with the lane's inbox, is not the number of their current assignments.
with counted as (
    select rep_no, open as stored, 0 as inbox, 0 as real from rep_load where tenant_id = :tenant_id
    union all select rep_no, 0, open_delta, 0 from lane_inbox where tenant_id = :tenant_id and rep_no is not null
    union all select rep_no, 0, 0, count(*) from assignment where tenant_id = :tenant_id group by rep_no)
select count(*) over () as found,
       format('rep %s: load %s, inbox %s, really %s', rep_no, sum(stored), sum(inbox), sum(real)) as example
  from counted group by rep_no having sum(stored) + sum(inbox) <> sum(real)
 order by rep_no limit 5;

-- name: day_load_wrong(tenant_id, time_zone)
-- Reps whose load of the business day, with the inbox, is not what they were given on it (withdrawn ones do not count).
with given as (
    select rep_no, assigned_at from assignment where tenant_id = :tenant_id
    union all select rep_no, assigned_at from assignment_history
               where tenant_id = :tenant_id and outcome <> 'withdrawn'),
counted as (
    select rep_no, day, today as stored, 0 as inbox, 0 as real from rep_load where tenant_id = :tenant_id
    union all select rep_no, day, 0, today_delta, 0 from lane_inbox where tenant_id = :tenant_id and today_delta <> 0
    union all select rep_no, (assigned_at at time zone :time_zone)::date, 0, 0, count(*) from given group by 1, 2),
summed as (
    select rep_no, day, sum(stored) as stored, sum(inbox) as inbox, sum(real) as real from counted group by rep_no, day)
select count(*) over () as found,
       format('rep %s on %s: load %s, inbox %s, really %s', rep_no, s.day, stored, inbox, real) as example
  from summed s left join (select rep_no, day from rep_load where tenant_id = :tenant_id) l using (rep_no)
 -- A load of an earlier day is yesterday's; nothing may have been given after the load's day.
 where stored + inbox <> real and (l.day is null or s.day >= l.day)
   and not exists (select from removed r where r.tenant_id = :tenant_id and r.name = 'assignment_history'
                      and s.day <= (r.upto at time zone :time_zone)::date)
 order by rep_no, s.day limit 5;

-- name: day_cap_exceeded(tenant_id, time_zone, rulesets, max_per_day)
-- Assignments that took a rep over max_per_day of the roster, or the ruleset's default, under which the batch decided;
-- those that a CRM had made before count for those after them, and are judged by no cap.
with record as (
    select distinct on (batch_no) batch_no, at, roster, ruleset, kind = 'import' as taken_over from flight where tenant_id = :tenant_id order by batch_no, at),
given as (
    select lead_id, rep_no, batch_no, seq, assigned_at, null::timestamptz as withdrawn_at
      from assignment where tenant_id = :tenant_id
    union all
    select lead_id, rep_no, batch_no, seq, assigned_at, case when outcome = 'withdrawn' then ended_at end
      from assignment_history where tenant_id = :tenant_id),
dated as (
    select given.*, roster, ruleset, taken_over, coalesce(at, assigned_at) as at,
           (case when taken_over then assigned_at else coalesce(at, assigned_at) end at time zone :time_zone)::date as day
      from given left join record using (batch_no)),
moves as (
    select rep_no, day, at, 1 as step, batch_no, seq, lead_id, roster, ruleset, taken_over from dated
    union all
    select rep_no, day, withdrawn_at, -1, batch_no, seq, lead_id, null, null, null from dated where withdrawn_at is not null),
-- At one instant what ended counts first: the lane knew of it.
counted as (
    select *, sum(step) over (partition by rep_no, day order by at, step, batch_no, seq rows unbounded preceding) as today
      from moves),
highest as (
    select rep_no, roster, ruleset, max(today) as today from counted where step > 0 and taken_over is not true group by rep_no, roster, ruleset),
capped as (
    select h.rep_no, h.roster, h.ruleset, coalesce(r.max_per_day, d.cap) as cap
      from highest h
     cross join lateral (
           select max_per_day, to_version from rep_row
            where tenant_id = :tenant_id and rep_no = h.rep_no and from_version <= h.roster
            order by from_version desc limit 1) r
      left join unnest(:rulesets::int[], :max_per_day::int[]) as d (ruleset, cap) on d.ruleset = h.ruleset
     where h.today > coalesce(r.max_per_day, d.cap) and (r.to_version is null or h.roster < r.to_version))
select count(*) over () as found,
       format('rep %s on %s: lead %s of batch %s made %s, the cap was %s', c.rep_no, day, lead_id, batch_no, today, cap) as example
  from counted c join capped k on k.rep_no = c.rep_no and k.roster = c.roster and k.ruleset = c.ruleset
 where step > 0 and today > cap and taken_over is not true
 order by batch_no, seq limit 5;

-- name: open_cap_exceeded(tenant_id, rulesets, max_open)
-- Assignments that took a rep over max_open of the roster, or the ruleset's default, under which the batch decided;
-- those that a CRM had made before count for those after them, and are judged by no cap.
with record as (
    select distinct on (batch_no) batch_no, at, roster, ruleset, kind = 'import' as taken_over from flight where tenant_id = :tenant_id order by batch_no, at),
given as (
    select lead_id, rep_no, batch_no, seq, assigned_at, null::timestamptz as ended_at
      from assignment where tenant_id = :tenant_id
    union all
    select lead_id, rep_no, batch_no, seq, assigned_at, ended_at from assignment_history where tenant_id = :tenant_id),
dated as (
    select given.*, roster, ruleset, taken_over, coalesce(at, assigned_at) as at from given left join record using (batch_no)),
moves as (
    select rep_no, at, 1 as step, batch_no, seq, lead_id, roster, ruleset, taken_over from dated
    union all
    select rep_no, ended_at, -1, batch_no, seq, lead_id, null, null, null from dated where ended_at is not null),
-- At one instant what ended counts first: the lane knew of it.
counted as (
    select *, sum(step) over (partition by rep_no order by at, step, batch_no, seq rows unbounded preceding) as open
      from moves),
highest as (
    select rep_no, roster, ruleset, max(open) as open from counted where step > 0 and taken_over is not true group by rep_no, roster, ruleset),
capped as (
    select h.rep_no, h.roster, h.ruleset, coalesce(r.max_open, d.cap) as cap
      from highest h
     cross join lateral (
           select max_open, to_version from rep_row
            where tenant_id = :tenant_id and rep_no = h.rep_no and from_version <= h.roster
            order by from_version desc limit 1) r
      left join unnest(:rulesets::int[], :max_open::int[]) as d (ruleset, cap) on d.ruleset = h.ruleset
     where h.open > coalesce(r.max_open, d.cap) and (r.to_version is null or h.roster < r.to_version))
select count(*) over () as found,
       format('rep %s: lead %s of batch %s made %s open, the cap was %s', c.rep_no, lead_id, batch_no, open, cap) as example
  from counted c join capped k on k.rep_no = c.rep_no and k.roster = c.roster and k.ruleset = c.ruleset
 where step > 0 and open > cap and taken_over is not true
 order by batch_no, seq limit 5;

-- name: credit_drift(tenant_id)
-- Groups whose credits do not add up to nothing: a lead takes from the winner exactly what it gives to the candidates.
select count(*) over () as found, format('group %s: credits add up to %s (2^32 = one lead)', group_no, total) as example
  from (select group_no, (select coalesce(sum(c), 0) from unnest(credit) c) as total
          from group_share where tenant_id = :tenant_id) shares
 where total <> 0
 order by group_no limit 5;

-- name: event_missing(tenant_id)
-- Current assignments without their event, of those made since events are written (give or take the moment of the switch) and
-- not yet past the retention.
with said as (
    select e.batch_no, l.lead_id from event e cross join lateral unnest(e.leads) as l(lead_id)
     where e.tenant_id = :tenant_id and e.type in ('lead.assigned', 'lead.reassigned')),
since as (
    select greatest(t.events_since + interval '10 s', f.removed_until) as at
      from tenant t left join event_feed f on f.tenant_id = t.tenant_id
     where t.tenant_id = :tenant_id and t.events_since is not null)
select count(*) over () as found, format('lead %s: assigned in batch %s at %s', a.lead_id, a.batch_no, a.assigned_at) as example
  from assignment a
 where a.tenant_id = :tenant_id and a.assigned_at > (select at from since)
   and not exists (select from said where said.batch_no = a.batch_no and said.lead_id = a.lead_id)
 order by a.lead_id limit 5;

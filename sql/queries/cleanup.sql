-- name: steady_plans()!
-- Until the transaction ends: along the indexes, whatever the statistics say of a tenant; no commit waits for the disk on behalf of rubbish.
set local jit = off; set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off;

-- name: take_lease(holder, lease_s)
-- Takes or renews the right to clean; no row while another process has it.
update cleanup_lease set holder = :holder::bigint, until = statement_timestamp() + make_interval(secs => :lease_s::float8)
 where tenant_id = 0 and (holder = :holder or until < statement_timestamp())
returning until;

-- name: give_back_lease(holder)!
-- Lets the next process clean at once.
update cleanup_lease set until = '-infinity' where tenant_id = 0 and holder = :holder::bigint;

-- name: begin_run(tenant_id, actor)
-- Notes that a tenant is cleaned, and that runs before it that never ended were interrupted.
with others as (
    update cleanup_run set ended_at = statement_timestamp(), outcome = 'interrupted'
     where tenant_id = :tenant_id and ended_at is null)
insert into cleanup_run (tenant_id, actor) values (:tenant_id, :actor) returning run_no;

-- name: note_removed(tenant_id, run_no, name, rows)!
-- Adds to what a run has removed, in the transaction that removed it.
update cleanup_run set removed = jsonb_set(removed, array[:name::text], (coalesce((removed ->> :name)::bigint, 0) + :rows::bigint)::text::jsonb)
 where tenant_id = :tenant_id and run_no = :run_no;

-- name: end_run(tenant_id, run_no, outcome, note)!
-- How a run ended.
update cleanup_run set ended_at = statement_timestamp(), outcome = :outcome, note = :note
 where tenant_id = :tenant_id and run_no = :run_no and ended_at is null;

-- name: last_runs(tenant_ids)
-- The last run of each tenant (0 = partitions), and when one last came to its end.
select r.tenant_id, r.actor, r.began_at, r.ended_at, r.outcome, r.removed, r.note,
       (select max(d.ended_at) from cleanup_run d where d.tenant_id = r.tenant_id and d.outcome = 'done') as done_at
  from (select distinct on (tenant_id) * from cleanup_run where tenant_id = any(:tenant_ids::int[]) order by tenant_id, run_no desc) r
 order by r.tenant_id;

-- name: ages(tenant_ids)
-- Since when each tenant is there.
select tenant_id, created_at from tenant where tenant_id = any(:tenant_ids::int[]);

-- name: oldest_flight(tenant_id)
-- The time of a tenant's first flight record that is there; what is younger is needed to run it again.
select at from flight where tenant_id = :tenant_id order by batch_no limit 1;

-- name: progress(tenant_id)
-- What the drain has done (its last batch), and whether leads are ready that it could place.
select l.batch_no, l.paused_until > clock_timestamp() as paused, clock_timestamp() as now,
       exists (select from lead_pool p where p.tenant_id = :tenant_id and p.wake_key = 0) as ready
  from lane l where l.tenant_id = :tenant_id;

-- name: turn(tenant_id)
-- Whether a script of others has a turn to clean this tenant, or all.
select exists (select from maintenance_run r where r.tenant_id in (0, :tenant_id) and r.turn is not null
                  and least(r.until, r.alive_until) > clock_timestamp());

-- name: routed(tenant_id, after, upto)
-- Leads in the batches of a tenant after one and up to another.
select coalesce(sum(leads), 0)::bigint from flight where tenant_id = :tenant_id and batch_no > :after and batch_no <= :upto;

-- name: old_closed(tenant_id, before, limit)
-- Closed leads past the retention, the oldest first, held for us; rows that somebody else holds are passed over, and leads whose identity is archived
-- already (an instance of an older release took them for new): the audit names those.
select c.lead_id from closed c join lead l on l.tenant_id = c.tenant_id and l.lead_id = c.lead_id
 where c.tenant_id = :tenant_id and c.closed_at < :before::timestamptz
   and not exists (select from archived a where a.tenant_id = :tenant_id and a.source = l.source and a.external_id = l.external_id)
 order by c.closed_at limit :limit for update skip locked;

-- name: merged_into(tenant_id, lead_ids)
-- The leads that were merged into these.
select lead_id, into_lead_id from merged where tenant_id = :tenant_id and into_lead_id = any(:lead_ids::bigint[]);

-- name: hold_leads(tenant_id, lead_ids)
-- Holds those of the leads that nobody else holds and whose identity is not archived already.
select l.lead_id from lead l
 where l.tenant_id = :tenant_id and l.lead_id = any(:lead_ids::bigint[])
   and not exists (select from archived a where a.tenant_id = :tenant_id and a.source = l.source and a.external_id = l.external_id)
   for update skip locked;

-- name: archive(tenant_id, lead_ids, merged_ids)
-- Archives closed leads and the leads merged into them: what they say of people goes, their identity and their count stay.
with ended as (
    delete from closed where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) returning lead_id, closed_at, outcome),
joined as (
    delete from merged where tenant_id = :tenant_id and lead_id = any(:merged_ids::bigint[]) returning lead_id, into_lead_id, merged_at),
corrections as (
    delete from lead_correction where tenant_id = :tenant_id and lead_id = any(:lead_ids || :merged_ids)),
gone as (
    delete from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids || :merged_ids)
    returning lead_id, source, external_id, created_at, received_at),
kept as (
    insert into archived (tenant_id, lead_id, source, external_id, created_at, received_at, closed_at, outcome, into_lead_id)
    select :tenant_id, g.lead_id, g.source, g.external_id, g.created_at, g.received_at,
           coalesce(e.closed_at, j.merged_at), coalesce(e.outcome, 'merged'), j.into_lead_id
      from gone g left join ended e using (lead_id) left join joined j using (lead_id)
    returning lead_id),
counted as (
    insert into archived_count as c (tenant_id, leads) select :tenant_id, count(*) from kept having count(*) > 0
        on conflict (tenant_id) do update set leads = c.leads + excluded.leads)
select count(*) from kept;

-- name: count_closed(tenant_id, before)
-- How many leads archive would take: closed ones past the retention, and those merged into them.
select count(*) + (select count(*) from merged m join closed d on d.tenant_id = m.tenant_id and d.lead_id = m.into_lead_id
                    where m.tenant_id = :tenant_id and d.closed_at < :before::timestamptz)
  from closed where tenant_id = :tenant_id and closed_at < :before;

-- name: remove_flights(tenant_id, before, limit)
-- Removes the oldest flight records of a tenant, in the order of their batches, and remembers up to which.
with old as (
    select batch_no, at from flight where tenant_id = :tenant_id order by batch_no limit :limit),
kept as (select min(batch_no) as first from old where at >= :before::timestamptz),
gone as (
    delete from flight f using old, kept
     where f.tenant_id = :tenant_id and f.batch_no = old.batch_no and f.at = old.at and (kept.first is null or f.batch_no < kept.first)
    returning f.batch_no, f.at),
marked as (
    insert into removed as r (tenant_id, name, upto, batch_no)
    select :tenant_id, 'flight', max(at), max(batch_no) from gone having count(*) > 0
        on conflict (tenant_id, name) do update set upto = greatest(r.upto, excluded.upto), batch_no = greatest(r.batch_no, excluded.batch_no))
select count(*) from gone;

-- name: count_flights(tenant_id, before)
-- How many records remove_flights would remove.
select count(*) from flight where tenant_id = :tenant_id and at < :before::timestamptz
   and batch_no < coalesce((select min(batch_no) from flight where tenant_id = :tenant_id and at >= :before), 9223372036854775807);

-- name: remove_changes(tenant_id, before, limit)
-- Removes the oldest recorded changes; the last of each setting stays, with which the next one is compared.
with gone as (
    delete from change where ctid = any(array(
        select ctid from change c
         where c.tenant_id = :tenant_id and c.at < :before::timestamptz
           and (c.action <> 'configure' or exists (select from change n where n.tenant_id = c.tenant_id and n.action = c.action
                                                     and n.subject = c.subject and n.id > c.id))
         order by c.at limit :limit for update skip locked))
    returning 1)
select count(*) from gone;

-- name: count_changes(tenant_id, before)
-- How many changes remove_changes would remove.
select count(*) from change c
 where c.tenant_id = :tenant_id and c.at < :before::timestamptz
   and (c.action <> 'configure' or exists (select from change n where n.tenant_id = c.tenant_id and n.action = c.action
                                             and n.subject = c.subject and n.id > c.id));

-- name: remove_runs(tenant_id, before, limit)
-- Removes runs that ended so long ago; the last stays.
with gone as (
    delete from cleanup_run where tenant_id = :tenant_id and run_no = any(array(
        select run_no from cleanup_run r
         where tenant_id = :tenant_id and ended_at < :before::timestamptz
           and exists (select from cleanup_run n where n.tenant_id = r.tenant_id and n.run_no > r.run_no and n.outcome = 'done')
         order by run_no limit :limit))
    returning 1)
select count(*) from gone;

-- name: count_runs(tenant_id, before)
-- How many runs remove_runs would remove.
select count(*) from cleanup_run r
 where tenant_id = :tenant_id and ended_at < :before::timestamptz
   and exists (select from cleanup_run n where n.tenant_id = r.tenant_id and n.run_no > r.run_no and n.outcome = 'done');

-- name: remove_jobs(tenant_id, before, limit)
-- Removes jobs of which the last sign was so long ago, with what came of them and the files that they made.
with gone as (
    delete from job where tenant_id = :tenant_id and job_id = any(array(
        select job_id from job where tenant_id = :tenant_id and alive_at < :before::timestamptz
         order by alive_at limit :limit for update skip locked))
    returning 1)
select count(*) from gone;

-- name: count_jobs(tenant_id, before)
-- How many jobs remove_jobs would remove.
select count(*) from job where tenant_id = :tenant_id and alive_at < :before::timestamptz;


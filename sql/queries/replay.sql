-- name: span(tenant_id, since, until)
-- The recorded batches of a span of time: how many, how many leads, the first and the last.
select count(*) as batches, coalesce(sum(leads), 0)::bigint as leads, min(batch_no) as first_batch, max(batch_no) as last_batch,
       min(at) as first_at, max(at) as last_at
  from flight
 where tenant_id = :tenant_id
   and (:since::timestamptz is null or at >= :since) and (:until::timestamptz is null or at <= :until);

-- name: rulesets(tenant_id, first_batch, last_batch)
-- The versions of the rules by which the recorded batches of a span were decided.
select distinct ruleset from flight where tenant_id = :tenant_id and batch_no between :first_batch and :last_batch;

-- name: next_batches(tenant_id, after, last_batch, since, until, limit)
-- The next recorded batches after one, without what is in them.
select batch_no, leads from flight
 where tenant_id = :tenant_id and batch_no > :after and batch_no <= :last_batch
   and (:since::timestamptz is null or at >= :since) and (:until::timestamptz is null or at <= :until)
 order by batch_no limit :limit;

-- name: records(tenant_id, first, last, since, until)
-- Flight records from one batch to another.
select batch_no, at, ruleset, roster, rates, kind, leads, inputs from flight
 where tenant_id = :tenant_id and batch_no between :first and :last
   and (:since::timestamptz is null or at >= :since) and (:until::timestamptz is null or at <= :until)
 order by batch_no;

-- name: loads_before(tenant_id, batch_no, at, day_start)
-- What each rep had before a batch: open leads, and leads of the day that began at day_start.
select rep_no, count(*) filter (where ended_at is null or ended_at > :at::timestamptz) as open,
       count(*) filter (where assigned_at >= :day_start::timestamptz) as today
  from (select rep_no, assigned_at, null::timestamptz as ended_at from assignment
         where tenant_id = :tenant_id and batch_no < :batch_no
        union all
        select rep_no, assigned_at, ended_at from assignment_history
         where tenant_id = :tenant_id and batch_no < :batch_no and ended_at > least(:at::timestamptz, :day_start::timestamptz)) given
 group by rep_no;

-- name: waited_before(tenant_id, batch_no)
-- Leads that waited before a batch and have not been tried since, with what they wait for.
select p.lead_id, p.rank, p.queued_at, p.source, p.region, p.industry, p.product, p.campaign, p.ad_id, p.landing_page,
       p.customer_id, p.excluded, p.recheck_at, k.ruleset, k.targets,
       coalesce((select c.created_before from lead_correction c
                  where c.tenant_id = :tenant_id and c.lead_id = p.lead_id and c.batch_no >= :batch_no
                  order by c.batch_no limit 1), p.created_at) as created_at,
       (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = p.customer_id) as owner
  from lead_pool p join wake_key k on k.tenant_id = :tenant_id and k.wake_key = p.wake_key
 where p.tenant_id = :tenant_id and p.wake_key <> 0 and p.last_batch_no < :batch_no;

-- name: backlog(tenant_id, at)
-- Leads that were queued before a moment and wait for somebody now.
select count(*) from lead_pool where tenant_id = :tenant_id and wake_key <> 0 and queued_at < :at;

-- name: taken_over(tenant_id, batch_no, at, lead_ids)
-- The assignments that a batch took over from a CRM, and whether they were open then.
select lead_id, assigned_at, true as is_open from assignment
 where tenant_id = :tenant_id and batch_no = :batch_no and lead_id = any(:lead_ids::bigint[])
union all
select lead_id, assigned_at, ended_at > :at::timestamptz from assignment_history
 where tenant_id = :tenant_id and batch_no = :batch_no and lead_id = any(:lead_ids::bigint[]);

-- name: endings(tenant_id, since, until)
-- Assignments that ended in a span of time, but not before they were taken over from a CRM, in order; of those returned the lead as well, and who had returned it before.
select h.lead_id, h.rep_no, h.batch_no, h.assigned_at, h.ended_at, h.outcome, -l.priority as rank, h.customer_id,
       coalesce((select c.created_before from lead_correction c
                  where c.tenant_id = :tenant_id and c.lead_id = l.lead_id and c.corrected_at >= h.ended_at
                  order by c.batch_no limit 1), l.created_at) as created_at, nullif(l.source, '') as source, l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page,
       case when h.outcome = 'returned' then array(
            select distinct e.rep_no from assignment_history e
             where e.tenant_id = :tenant_id and e.lead_id = h.lead_id and e.outcome = 'returned' and e.ended_at < h.ended_at
             order by e.rep_no) end as excluded
  from assignment_history h
  left join lead l on l.tenant_id = :tenant_id and l.lead_id = h.lead_id and h.outcome = 'returned'
 where h.tenant_id = :tenant_id and h.ended_at >= :since and h.ended_at <= :until
   and not exists (select from flight f
                    where f.tenant_id = :tenant_id and f.batch_no = h.batch_no and f.kind = 'import' and f.at >= h.ended_at)
 order by h.ended_at, h.lead_id, h.batch_no;

-- name: pauses(tenant_id, until)
-- Pauses and their ends, as they were recorded.
select at, action, after from change
 where tenant_id = :tenant_id and action in ('pause', 'resume') and at <= :until
 order by at, id;

-- name: named_leads(tenant_id, lead_ids)
-- How leads are called outside.
select lead_id, source, external_id from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]);

-- name: named_reps(tenant_id)
-- How reps are called outside: id and newest name.
select r.rep_no, r.rep_id, coalesce(w.name, '') as name
  from rep r left join rep_row w on w.tenant_id = :tenant_id and w.rep_no = r.rep_no and w.to_version is null
 where r.tenant_id = :tenant_id;

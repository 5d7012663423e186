-- name: lead(tenant_id, lead_id)
-- A lead with its tenant, who it is (gone with what was archived or removed), and where it is: the row of each state that has it.
select t.name as tenant, t.time_zone, t.ruleset, t.roster, t.rates,
       l.source, l.external_id, l.created_at, l.received_at, l.name, l.company, l.priority, l.customer_id,
       l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page,
       p.lead_id as in_pool, p.wake_key, p.rank, p.queued_at, p.recheck_at, p.last_batch_no as pool_batch_no,
       p.excluded as pool_excluded, k.targets, k.ruleset as key_ruleset,
       a.rep_no, a.assigned_at, a.batch_no as assigned_batch_no, a.rule_no, a.group_no,
       x.reason, x.detail, x.parked_at, x.last_batch_no as parked_batch_no, x.excluded as parked_excluded,
       coalesce(m.into_lead_id, r.into_lead_id) as into_lead_id, m.merged_at, c.closed_at, coalesce(c.outcome, r.outcome) as outcome,
       r.archived_at, d.removed_at, d.import_no
  from (select tenant_id, lead_id, source, external_id, created_at, received_at, name, company, priority, customer_id, region, industry, product,
               campaign, ad_id, landing_page
          from lead where tenant_id = :tenant_id and lead_id = :lead_id
        union all
        select tenant_id, lead_id, source, external_id, created_at, received_at, null, null, 0, null, null, null, null, null, null, null
          from archived where tenant_id = :tenant_id and lead_id = :lead_id
        union all
        select tenant_id, lead_id, source, external_id, created_at, received_at, null, null, 0, null, region, industry, product, campaign, ad_id,
               landing_page
          from removed_lead where tenant_id = :tenant_id and lead_id = :lead_id) l
  join tenant t on t.tenant_id = l.tenant_id
  left join lead_pool p on p.tenant_id = l.tenant_id and p.lead_id = l.lead_id
  left join wake_key k on k.tenant_id = p.tenant_id and k.wake_key = p.wake_key
  left join assignment a on a.tenant_id = l.tenant_id and a.lead_id = l.lead_id
  left join parked x on x.tenant_id = l.tenant_id and x.lead_id = l.lead_id
  left join merged m on m.tenant_id = l.tenant_id and m.lead_id = l.lead_id
  left join closed c on c.tenant_id = l.tenant_id and c.lead_id = l.lead_id
  left join archived r on r.tenant_id = l.tenant_id and r.lead_id = l.lead_id
  left join removed_lead d on d.tenant_id = l.tenant_id and d.lead_id = l.lead_id
 where l.tenant_id = :tenant_id and l.lead_id = :lead_id;

-- name: history(tenant_id, lead_id, limit)
-- Assignments of a lead that ended, the latest first.
select rep_no, assigned_at, batch_no, rule_no, group_no, ended_at, outcome, ended_by, note
  from assignment_history
 where tenant_id = :tenant_id and lead_id = :lead_id
 order by ended_at desc, batch_no desc
 limit :limit;

-- name: handled(tenant_id, subject, limit)
-- When people parked a lead, sent it back, or unmerged it, the latest first; subject is how changes name the lead.
select at, actor, action, before, why
  from change
 where tenant_id = :tenant_id and subject = :subject and action in ('park', 'unpark', 'leads unmerge')
 order by at desc
 limit :limit;

-- name: corrections(tenant_id, lead_id, limit)
-- When people corrected what a lead says, the latest first; the same time twice = not when it was created.
select c.corrected_at as at, c.created_before, c.created_after, coalesce(h.actor, '') as actor, coalesce(h.why, '') as why
  from lead_correction c left join change h on h.tenant_id = c.tenant_id and h.id = c.change_id
 where c.tenant_id = :tenant_id and c.lead_id = :lead_id
 order by c.batch_no desc
 limit :limit;

-- name: lane(tenant_id, now)
-- Whether the tenant's lane is paused, when it was last drained, and what locker its row has or had.
select l.batch_no, l.last_at, l.next_visit_at, coalesce(:now::timestamptz, clock_timestamp()) as now,
       case when l.paused_until > coalesce(:now::timestamptz, clock_timestamp()) then l.paused_until end as paused_until,
       l.paused_why, l.xmax::text as locker
  from lane l
 where l.tenant_id = :tenant_id;

-- name: before_it(tenant_id, wake_key, rank, queued_at, lead_id, limit)
-- How many leads of a wake key (0 = ready) come before a lead, counted up to a limit.
select count(*)::int from (
       select from lead_pool
        where tenant_id = :tenant_id and wake_key = :wake_key::int
          and (rank, queued_at, lead_id) < (:rank::int, :queued_at::timestamptz, :lead_id::bigint)
        limit :limit) as earlier;

-- name: reps(tenant_id, rep_nos)
-- Ids and latest names of reps.
select r.rep_no, r.rep_id, w.name
  from rep r
 cross join lateral (
       select x.name from rep_row x
        where x.tenant_id = :tenant_id and x.rep_no = r.rep_no
        order by x.from_version desc limit 1) w
 where r.tenant_id = :tenant_id and r.rep_no = any(:rep_nos::int[]);

-- name: groups(tenant_id)
-- Names of all groups that ever were.
select group_no, name from grp where tenant_id = :tenant_id;

-- name: customer(tenant_id, lead_id, customer_id, created_at, limit)
-- Who owns a customer now, and how many of its leads were created before one of them, counted up to a limit.
select (select rep_no from customer_owner
         where tenant_id = :tenant_id and customer_id = :customer_id) as owner_no,
       (select count(*)::int from (
               select from lead
                where tenant_id = :tenant_id and customer_id = :customer_id
                  and (created_at, lead_id) < (:created_at::timestamptz, :lead_id::bigint)
                limit :limit) as earlier) as leads;

-- name: earlier(tenant_id, lead_id, customer_id, created_at, limit)
-- The latest leads of a customer that were created before one of them: where each is, and the assignment that it has or had last.
select l.lead_id, l.source, l.external_id, l.created_at, m.into_lead_id,
       case when a.lead_id is not null then 'assigned'
            when c.lead_id is not null then 'closed'
            when p.lead_id is not null then 'waiting'
            when x.lead_id is not null then 'parked'
            when m.lead_id is not null then 'merged'
            else 'nowhere' end as state,
       coalesce(a.rep_no, h.rep_no) as rep_no, coalesce(a.assigned_at, h.assigned_at) as assigned_at,
       coalesce(c.outcome, h.outcome) as outcome, h.ended_at
  from (select lead_id, source, external_id, created_at
          from lead
         where tenant_id = :tenant_id and customer_id = :customer_id
           and (created_at, lead_id) < (:created_at::timestamptz, :lead_id::bigint)
         order by created_at desc, lead_id desc
         limit :limit) l
  left join assignment a on a.tenant_id = :tenant_id and a.lead_id = l.lead_id
  left join closed c on c.tenant_id = :tenant_id and c.lead_id = l.lead_id
  left join lead_pool p on p.tenant_id = :tenant_id and p.lead_id = l.lead_id
  left join parked x on x.tenant_id = :tenant_id and x.lead_id = l.lead_id
  left join merged m on m.tenant_id = :tenant_id and m.lead_id = l.lead_id
  left join lateral (
       select rep_no, assigned_at, outcome, ended_at
         from assignment_history
        where tenant_id = :tenant_id and lead_id = l.lead_id and a.lead_id is null
        order by ended_at desc, batch_no desc
        limit 1) h on true
 order by l.created_at desc, l.lead_id desc;

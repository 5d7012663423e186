-- name: size(tenant_id, rep_no)
-- How many leads a rep has now, and the number of the lane's last batch: what is given later is not handed over.
select (select count(*) from assignment where tenant_id = :tenant_id and rep_no = :rep_no) as leads,
       (select batch_no from lane where tenant_id = :tenant_id) as batch_no;

-- name: places(tenant_id, lead_ids, rep_no)
-- Of named leads: who has each now (null = nobody), and whether this rep had it and gave it back or handed it over.
select l.lead_id, r.rep_id, a.rep_no = :rep_no as is_here,
       exists (select from assignment_history h
                where h.tenant_id = :tenant_id and h.lead_id = l.lead_id and h.rep_no = :rep_no
                  and h.outcome in ('handed_over', 'returned')) as was_here
  from lead l
  left join assignment a on a.tenant_id = :tenant_id and a.lead_id = l.lead_id
  left join rep r on r.tenant_id = :tenant_id and r.rep_no = a.rep_no
 where l.tenant_id = :tenant_id and l.lead_id = any(:lead_ids::bigint[])
 order by l.lead_id;

-- name: next_leads(tenant_id, rep_no, upto_batch, after, limit)
-- The next leads of a rep after a number, given by no later batch; holds nothing.
with had as materialized (
    select lead_id from assignment
     where tenant_id = :tenant_id and rep_no = :rep_no and batch_no <= :upto_batch and lead_id > :after)
select lead_id from had order by lead_id limit :limit;

-- name: facts(tenant_id, rep_no, lead_ids)
-- These leads as far as the rep has them, as the pool would have them, with who gave them back before and the customer's owner.
select l.lead_id, -l.priority as rank, l.created_at, l.customer_id, a.batch_no, l.external_id,
       nullif(l.source, '') as source, l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page,
       array(select distinct h.rep_no from assignment_history h
              where h.tenant_id = :tenant_id and h.lead_id = l.lead_id and h.outcome = 'returned' order by h.rep_no) as returned,
       (select o.rep_no from customer_owner o where o.tenant_id = :tenant_id and o.customer_id = l.customer_id) as owner
  from assignment a
 cross join lateral (select * from lead where tenant_id = :tenant_id and lead_id = a.lead_id limit 1) l
 where a.tenant_id = :tenant_id and a.rep_no = :rep_no and a.lead_id = any(:lead_ids::bigint[])
 order by l.lead_id;

-- name: take(tenant_id, rep_no, lead_ids, at)
-- Takes leads from a rep for another one, while the lane is held: its holder takes the places off itself. Locked rows are passed over.
with ended as (
    delete from assignment
     where ctid = any(array(
           select ctid from assignment
            where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and rep_no = :rep_no
              for update skip locked))
    returning *
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome)
    select tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no, :at, 'handed_over' from ended
)
select l.lead_id, -l.priority as rank, l.created_at, l.customer_id, e.batch_no,
       nullif(l.source, '') as source, l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page
  from ended e
 cross join lateral (
       select lead_id, priority, created_at, customer_id, source, region, industry, product, campaign, ad_id, landing_page
         from lead where tenant_id = :tenant_id and lead_id = e.lead_id limit 1) l
 order by l.lead_id;

-- name: give_back(tenant_id, rep_no, lead_ids, now)
-- Ends assignments of a rep as returned: the leads are ready again, and this rep does not get them a second time. Locked rows are passed over.
with ended as (
    delete from assignment
     where ctid = any(array(
           select ctid from assignment
            where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and rep_no = :rep_no
              for update skip locked))
    returning *
), at as materialized (
    select greatest(coalesce(:now::timestamptz, clock_timestamp()), max(assigned_at)) as ended_at, count(*)::int as leads from ended
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome)
    select e.tenant_id, e.lead_id, e.rep_no, e.customer_id, e.assigned_at, e.batch_no, e.seq, e.rule_no, e.group_no,
           at.ended_at, 'returned' from ended e, at
), news as (
    insert into lane_inbox (tenant_id, at, rep_no, open_delta) select :tenant_id, at.ended_at, :rep_no, -at.leads from at where at.leads > 0
), again as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, last_batch_no, created_at, customer_id, excluded,
                           source, region, industry, product, campaign, ad_id, landing_page)
    select l.tenant_id, l.lead_id, -l.priority, at.ended_at, e.batch_no, l.created_at, e.customer_id,
           array(select distinct rep_no from (
                     select :rep_no::int as rep_no union all
                     select h.rep_no from assignment_history h
                      where h.tenant_id = :tenant_id and h.lead_id = e.lead_id and h.outcome = 'returned') as had
                  order by rep_no),
           nullif(l.source, ''), l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page
      from ended e
     cross join lateral (select * from lead where tenant_id = :tenant_id and lead_id = e.lead_id limit 1) l
     cross join at
), happened as (
    insert into event (tenant_id, type, at, leads, reps)
    select t.tenant_id, 'lead.returned', at.ended_at, array(select lead_id from ended order by lead_id), array_fill(:rep_no::int, array[at.leads])
      from tenant t, at where t.tenant_id = :tenant_id and t.events_since is not null and at.leads > 0
)
select array(select lead_id from ended order by lead_id) as lead_ids,
       (select pg_notify('lead_router', :tenant_id::int::text) from at where at.leads > 0) as hint;

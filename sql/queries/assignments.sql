-- name: by_number(lead_id)
-- A lead by its number; numbers are unique over all tenants.
select l.tenant_id, l.lead_id from tenant t join lead l on l.tenant_id = t.tenant_id and l.lead_id = :lead_id
union all
select a.tenant_id, a.lead_id from tenant t join archived a on a.tenant_id = t.tenant_id and a.lead_id = :lead_id
union all
select r.tenant_id, r.lead_id from tenant t join removed_lead r on r.tenant_id = t.tenant_id and r.lead_id = :lead_id
limit 1;

-- name: of_tenant(tenant_id, lead_id)
-- Whether a lead's number is one of this tenant's.
select exists (select from lead where tenant_id = :tenant_id and lead_id = :lead_id)
    or exists (select from archived where tenant_id = :tenant_id and lead_id = :lead_id)
    or exists (select from removed_lead where tenant_id = :tenant_id and lead_id = :lead_id);

-- name: held_by(tenant_id, rep_no, after, limit)
-- The leads that a rep has, a part of them in the order of their numbers.
select a.lead_id, l.source, l.external_id, l.created_at, a.assigned_at, a.customer_id, a.batch_no, a.rule_no,
       l.name, l.phone, l.email, l.company
  from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id and a.rep_no = :rep_no and a.lead_id > :after
 order by a.lead_id
 limit :limit;

-- name: held_oldest(tenant_id, rep_no, after_at, after, limit)
-- The same, those that the rep has had longest first: a part of them behind a time and a number (null = from the first).
select a.lead_id, l.source, l.external_id, l.created_at, a.assigned_at, a.customer_id, a.batch_no, a.rule_no,
       l.name, l.phone, l.email, l.company
  from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id and a.rep_no = :rep_no
   and (:after_at::timestamptz is null or (a.assigned_at, a.lead_id) > (:after_at, :after::bigint))
 order by a.assigned_at, a.lead_id
 limit :limit;

-- name: held_newest(tenant_id, rep_no, after_at, after, limit)
-- The same, the last one assigned first.
select a.lead_id, l.source, l.external_id, l.created_at, a.assigned_at, a.customer_id, a.batch_no, a.rule_no,
       l.name, l.phone, l.email, l.company
  from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id and a.rep_no = :rep_no
   and (:after_at::timestamptz is null or (a.assigned_at, a.lead_id) < (:after_at, :after::bigint))
 order by a.assigned_at desc, a.lead_id desc
 limit :limit;

-- name: by_external_id(tenant_id, external_id, source)
-- Leads of an external id, of one source or of any: then it is looked up in one source after the other, which are few, and not in all of the index.
with recursive sources as (
    (select source from lead where tenant_id = :tenant_id and :source::text is null order by source limit 1)
    union all
    select (select l.source from lead l where l.tenant_id = :tenant_id and l.source > s.source order by l.source limit 1)
      from sources s where s.source is not null)
select l.tenant_id, l.lead_id, l.source
  from (select source from sources where source is not null union all select :source where :source is not null) s
 cross join lateral (
       select tenant_id, lead_id, source from lead
        where tenant_id = :tenant_id and source = s.source and external_id = :external_id limit 1) l
union all
select tenant_id, lead_id, source from archived
 where tenant_id = :tenant_id and external_id = :external_id and (:source is null or source = :source)
 limit 10;

-- name: place_of(tenant_id, lead_id)
-- Where a lead is: one row per state that claims it.
select 'waiting' as state, null::int as rep_no from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'assigned', rep_no from assignment where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'parked', null from parked where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'merged', null from merged where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'closed', null from closed where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'archived', null from archived where tenant_id = :tenant_id and lead_id = :lead_id
union all select 'removed', null from removed_lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: close(tenant_id, lead_id, outcome, now, actor, note, only_rep_no)
-- Ends an assignment (null = of any rep) as won or lost: history, closed state, event, and a note for the lane that a place is free.
with ended as (
    delete from assignment
     where tenant_id = :tenant_id and lead_id = :lead_id and (:only_rep_no::int is null or rep_no = :only_rep_no)
    returning *
), at as (
    select greatest(coalesce(:now::timestamptz, clock_timestamp()), assigned_at) as ended_at from ended
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome, ended_by, note)
    select e.tenant_id, e.lead_id, e.rep_no, e.customer_id, e.assigned_at, e.batch_no, e.seq, e.rule_no, e.group_no,
           at.ended_at, :outcome, :actor, :note from ended e, at
), news as (
    insert into lane_inbox (tenant_id, at, rep_no, open_delta) select e.tenant_id, at.ended_at, e.rep_no, -1 from ended e, at
), done as (
    insert into closed (tenant_id, lead_id, closed_at, outcome) select e.tenant_id, e.lead_id, at.ended_at, :outcome from ended e, at
), happened as (
    insert into event (tenant_id, type, at, leads, reps, words)
    select e.tenant_id, 'lead.ended', at.ended_at, array[e.lead_id], array[e.rep_no], array[:outcome::text]
      from ended e join tenant t on t.tenant_id = e.tenant_id and t.events_since is not null, at
)
select e.rep_no, at.ended_at, pg_notify('lead_router', e.tenant_id::text) from ended e, at;

-- name: give_back(tenant_id, lead_id, now, actor, note, only_rep_no)
-- Ends an assignment (null = of any rep) as returned: the lead is ready again, and this rep does not get it a second time.
with ended as (
    delete from assignment
     where tenant_id = :tenant_id and lead_id = :lead_id and (:only_rep_no::int is null or rep_no = :only_rep_no)
    returning *
), at as (
    select greatest(coalesce(:now::timestamptz, clock_timestamp()), assigned_at) as ended_at from ended
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome, ended_by, note)
    select e.tenant_id, e.lead_id, e.rep_no, e.customer_id, e.assigned_at, e.batch_no, e.seq, e.rule_no, e.group_no,
           at.ended_at, 'returned', :actor, :note from ended e, at
), news as (
    insert into lane_inbox (tenant_id, at, rep_no, open_delta) select e.tenant_id, at.ended_at, e.rep_no, -1 from ended e, at
), again as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, last_batch_no, created_at, customer_id, excluded,
                           source, region, industry, product, campaign, ad_id, landing_page)
    select l.tenant_id, l.lead_id, -l.priority, at.ended_at, e.batch_no, l.created_at, e.customer_id,
           array(select distinct rep_no from (
                     select rep_no from ended union all
                     select h.rep_no from assignment_history h
                      where h.tenant_id = :tenant_id and h.lead_id = :lead_id and h.outcome = 'returned') as had
                  order by rep_no),
           nullif(l.source, ''), l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page
      from ended e join lead l on l.tenant_id = :tenant_id and l.lead_id = e.lead_id, at
), happened as (
    insert into event (tenant_id, type, at, leads, reps)
    select e.tenant_id, 'lead.returned', at.ended_at, array[e.lead_id], array[e.rep_no]
      from ended e join tenant t on t.tenant_id = e.tenant_id and t.events_since is not null, at
)
select e.rep_no, at.ended_at, pg_notify('lead_router', e.tenant_id::text) from ended e, at;

-- name: hand_over(tenant_id, lead_id, at)
-- Ends an assignment because the lead is given to another rep by hand; the lane's holder takes the place off itself.
with ended as (
    delete from assignment where tenant_id = :tenant_id and lead_id = :lead_id returning *
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome)
    select tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no, :at, 'handed_over' from ended
)
select rep_no, batch_no from ended;

-- name: hold_lead(tenant_id, lead_id)
-- Waits for whoever has locked the lead where it is now, and locks it; how many rows of it there are.
with waiting as (select from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id for update),
     assigned as (select from assignment where tenant_id = :tenant_id and lead_id = :lead_id for update),
     parked_one as (select from parked where tenant_id = :tenant_id and lead_id = :lead_id for update)
select (select count(*) from waiting) + (select count(*) from assigned) + (select count(*) from parked_one);

-- name: hold_lead_now(tenant_id, lead_id)
-- The same without waiting, an error instead: whoever holds the lane waits for nobody.
with waiting as (select from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id for update nowait),
     assigned as (select from assignment where tenant_id = :tenant_id and lead_id = :lead_id for update nowait),
     parked_one as (select from parked where tenant_id = :tenant_id and lead_id = :lead_id for update nowait)
select (select count(*) from waiting) + (select count(*) from assigned) + (select count(*) from parked_one);

-- name: take_from_pool(tenant_id, lead_id)
-- Takes one lead out of the pool.
delete from lead_pool where tenant_id = :tenant_id and lead_id = :lead_id
returning queued_at, excluded, wake_key, last_batch_no;

-- name: take_from_parked(tenant_id, lead_id)
-- Takes one lead out of the parked ones.
delete from parked where tenant_id = :tenant_id and lead_id = :lead_id
returning parked_at as queued_at, excluded, 0 as wake_key, last_batch_no;

-- name: lead_facts(tenant_id, lead_id)
-- What arrived with one lead.
select lead_id, -priority as rank, created_at, customer_id, nullif(source, '') as source, region, industry, product, campaign, ad_id, landing_page
  from lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: lane_progress(tenant_id)
-- The number of the lane's last batch: it moves while somebody drains.
select batch_no from lane where tenant_id = :tenant_id;

-- name: rep_id(tenant_id, rep_no)
-- The CRM's id of a rep's number.
select rep_id from rep where tenant_id = :tenant_id and rep_no = :rep_no;

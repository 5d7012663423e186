-- name: steady_plans()!
-- Until the transaction ends: each lead is looked up by an index, however many there are.
set local plan_cache_mode = force_custom_plan; set local enable_seqscan = off; set local enable_bitmapscan = off;
set local enable_hashjoin = off; set local enable_mergejoin = off; set local jit = off;

-- name: tenant_now(tenant_id)
-- Whether the tenant is there, and the time.
select exists (select from tenant where tenant_id = :tenant_id) as is_there, clock_timestamp() as now;

-- name: sources(tenant_id, limit)
-- The sources that leads of the tenant have, at most so many: one look into the index for each.
with recursive stored as (
    (select source from lead where tenant_id = :tenant_id order by source limit 1)
    union all
    select (select l.source from lead l where l.tenant_id = :tenant_id and l.source > s.source order by l.source limit 1)
      from stored s where s.source is not null
), archives as (
    (select source from archived where tenant_id = :tenant_id order by source limit 1)
    union all
    select (select l.source from archived l where l.tenant_id = :tenant_id and l.source > s.source order by l.source limit 1)
      from archives s where s.source is not null
)
select source from (select source from stored union select source from archives) as named where source is not null limit :limit;

-- name: by_number(tenant_id, lead_ids)
-- Which of these numbers are leads of the tenant.
select n.lead_id
  from unnest(:lead_ids::bigint[]) as n(lead_id)
 where exists (select from lead l where l.tenant_id = :tenant_id and l.lead_id = n.lead_id)
    or exists (select from archived l where l.tenant_id = :tenant_id and l.lead_id = n.lead_id)
    or exists (select from removed_lead l where l.tenant_id = :tenant_id and l.lead_id = n.lead_id);

-- name: by_identity(tenant_id, sources, external_ids)
-- The leads of these sources and external ids; ord counts from 1 in the arrays.
select n.ord, l.lead_id, n.source
  from unnest(:sources::text[], :external_ids::text[]) with ordinality as n(source, external_id, ord)
 cross join lateral (
       select lead_id from lead where tenant_id = :tenant_id and source = n.source and external_id = n.external_id
       union all
       select lead_id from archived where tenant_id = :tenant_id and source = n.source and external_id = n.external_id) as l;

-- name: by_external_id(tenant_id, external_ids)
-- The leads of these external ids, whatever the source: reads the index of the whole tenant.
select l.external_id, l.lead_id, l.source from lead l where l.tenant_id = :tenant_id and l.external_id = any(:external_ids::text[])
union all
select l.external_id, l.lead_id, l.source from archived l where l.tenant_id = :tenant_id and l.external_id = any(:external_ids::text[]);

-- name: hold(tenant_id, lead_ids)
-- Locks the assignments of these leads that nobody else has locked, in one order.
select lead_id from assignment
 where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])
 order by lead_id for update skip locked;

-- name: standings(tenant_id, lead_ids)
-- Where these leads are, who has returned them, and who had them before.
select n.lead_id, a.rep_no, a.assigned_at, coalesce(c.outcome, r.outcome) as outcome,
       case when a.lead_id is not null then 'assigned'
            when c.lead_id is not null then 'closed'
            when p.lead_id is not null then 'waiting'
            when k.lead_id is not null then 'parked'
            when m.lead_id is not null then 'merged'
            when r.lead_id is not null then 'archived'
            when d.lead_id is not null then 'removed'
            else 'nowhere' end as state,
       array(select distinct h.rep_no from assignment_history h
              where h.tenant_id = :tenant_id and h.lead_id = n.lead_id and h.outcome = 'returned') as returned_by,
       array(select distinct h.rep_no from assignment_history h where h.tenant_id = :tenant_id and h.lead_id = n.lead_id) as had_by
  from unnest(:lead_ids::bigint[]) as n(lead_id)
  left join assignment a on a.tenant_id = :tenant_id and a.lead_id = n.lead_id
  left join closed c on c.tenant_id = :tenant_id and c.lead_id = n.lead_id
  left join lead_pool p on p.tenant_id = :tenant_id and p.lead_id = n.lead_id
  left join parked k on k.tenant_id = :tenant_id and k.lead_id = n.lead_id
  left join merged m on m.tenant_id = :tenant_id and m.lead_id = n.lead_id
  left join archived r on r.tenant_id = :tenant_id and r.lead_id = n.lead_id
  left join removed_lead d on d.tenant_id = :tenant_id and d.lead_id = n.lead_id;

-- name: history_begins()
-- Up to where ended assignments are gone, of all tenants: nothing can be stored there any more.
select min(case when pg_get_expr(c.relpartbound, c.oid) like '%MINVALUE%' then '-infinity'::timestamptz
                else substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''([^'']*)''\)')::timestamptz end) as at
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
 where i.inhparent = to_regclass('assignment_history');

-- name: plan_joins()!
-- For the statement that follows: what rows ask for is joined with what was there by a hash, not each with each.
set local enable_hashjoin = on;

-- name: end_many(tenant_id, lead_ids, outcomes, ended_at, notes, actor, now)
-- Ends assignments that the transaction holds, as `close` and `give_back` do with one: history, closed leads, leads that wait again, the
-- events, and for each rep one note for the lane that places are free.
with asked as materialized (
    select * from unnest(:lead_ids::bigint[], :outcomes::text[], :ended_at::timestamptz[], :notes::text[])
             as a(lead_id, outcome, ended_at, note)
), gone as (
    delete from assignment
     where ctid = any(array(select ctid from assignment where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])))
    returning *
), ended as materialized (
    select g.*, a.outcome, a.note, greatest(coalesce(a.ended_at, :now::timestamptz), g.assigned_at) as ended_at
      from gone g join asked a on a.lead_id = g.lead_id
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no,
                                    ended_at, outcome, ended_by, note)
    select tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no, ended_at, outcome, :actor, note from ended
), news as (
    insert into lane_inbox (tenant_id, at, rep_no, open_delta)
    select :tenant_id, greatest(:now::timestamptz, max(ended_at)), rep_no, -count(*) from ended group by rep_no
), done as (
    insert into closed (tenant_id, lead_id, closed_at, outcome)
    select tenant_id, lead_id, ended_at, outcome from ended where outcome <> 'returned'
), again as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, last_batch_no, created_at, customer_id, excluded,
                           source, region, industry, product, campaign, ad_id, landing_page)
    select l.tenant_id, l.lead_id, -l.priority, greatest(:now::timestamptz, e.assigned_at), e.batch_no, l.created_at, e.customer_id,
           array(select distinct rep_no
                   from unnest(array_append(array(select h.rep_no from assignment_history h
                                                   where h.tenant_id = :tenant_id and h.lead_id = e.lead_id and h.outcome = 'returned'),
                                            e.rep_no)) as had(rep_no)
                  order by rep_no),
           nullif(l.source, ''), l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page
      from ended e
     cross join lateral (select * from lead where tenant_id = :tenant_id and lead_id = e.lead_id limit 1) l
     where e.outcome = 'returned'
), heard as (
    insert into event (tenant_id, type, at, leads, reps, words)
    select t.tenant_id, case when e.outcome = 'returned' then 'lead.returned' else 'lead.ended' end, :now,
           array_agg(e.lead_id order by e.lead_id), array_agg(e.rep_no order by e.lead_id),
           case when e.outcome <> 'returned' then array_agg(e.outcome order by e.lead_id) end
      from (select lead_id, rep_no, outcome from ended) e, tenant t
     where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id, e.outcome
)
select count(*) as ended, pg_notify('lead_router', :tenant_id::int::text) from ended;

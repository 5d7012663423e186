-- name: hold_free(tenant_id, lead_ids)
-- Locks those of these leads that wait or are parked, and that nobody else has locked, in one order.
with waiting as (
    select lead_id from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by lead_id for update skip locked
), kept as (
    select lead_id from parked where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by lead_id for update skip locked
)
select lead_id from waiting union all select lead_id from kept;

-- name: take_free(tenant_id, lead_ids)
-- Takes leads that the transaction holds out of the pool and from the parked ones, with what batches match on.
with waiting as (
    delete from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])
    returning lead_id, queued_at, excluded, wake_key, last_batch_no
), kept as (
    delete from parked where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])
    returning lead_id, parked_at as queued_at, excluded, 0 as wake_key, last_batch_no
)
select l.lead_id, -l.priority as rank, l.created_at, l.customer_id, nullif(l.source, '') as source, l.region, l.industry, l.product,
       l.campaign, l.ad_id, l.landing_page, t.queued_at, t.excluded, t.wake_key, t.last_batch_no
  from (select * from waiting union all select * from kept) t
 cross join lateral (select * from lead where tenant_id = :tenant_id and lead_id = t.lead_id limit 1) l;

-- name: customers(tenant_id, customers)
-- Who owns these customers, and the rep of the latest assignment of their leads.
select n.customer_id, o.rep_no as owner, last.rep_no as last_rep, last.assigned_at as last_at
  from unnest(:customers::bigint[]) as n(customer_id)
  left join customer_owner o on o.tenant_id = :tenant_id and o.customer_id = n.customer_id
  left join lateral (
       select x.rep_no, x.assigned_at
         from lead l
        cross join lateral (
              select rep_no, assigned_at from assignment where tenant_id = :tenant_id and lead_id = l.lead_id
              union all
              select rep_no, assigned_at from assignment_history
               where tenant_id = :tenant_id and lead_id = l.lead_id and outcome <> 'returned') x
        where l.tenant_id = :tenant_id and l.customer_id = n.customer_id
        order by x.assigned_at desc limit 1) last on true;

-- name: put(tenant_id, at, batch_no, ruleset, lead_ids, rep_nos, customers, assigned_at, outcomes, ended_at, notes, actor, owned, owners)!
-- Writes assignments that a CRM made, those that ended (outcome not null) among the ended ones and with their leads closed, the
-- owners of customers, and the events. The place in the batch is that in the arrays.
with given as materialized (
    select ord::int - 1 as seq, g.*
      from unnest(:lead_ids::bigint[], :rep_nos::int[], :customers::bigint[], :assigned_at::timestamptz[], :outcomes::text[],
                  :ended_at::timestamptz[], :notes::text[])
           with ordinality as g(lead_id, rep_no, customer_id, assigned_at, outcome, ended_at, note, ord)
), owner as (
    insert into customer_owner (tenant_id, customer_id, rep_no)
    select :tenant_id, o.customer_id, o.rep_no from unnest(:owned::bigint[], :owners::int[]) as o(customer_id, rep_no)
        on conflict (tenant_id, customer_id) do update set rep_no = excluded.rep_no
), history as (
    insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, ended_at, outcome, ended_by, note)
    select :tenant_id, lead_id, rep_no, customer_id, assigned_at, :batch_no, seq, ended_at, outcome, :actor, note
      from given where outcome is not null
), done as (
    insert into closed (tenant_id, lead_id, closed_at, outcome)
    select :tenant_id, lead_id, ended_at, outcome from given where outcome is not null
), heard as (
    -- In one insert, so that a lead's assignment comes before its end.
    insert into event (tenant_id, type, at, batch_no, ruleset, leads, reps, words)
    select t.tenant_id, n.type, :at::timestamptz, n.batch_no, n.ruleset, n.leads, n.reps, n.words
      from (select 'lead.assigned' as type, :batch_no::bigint as batch_no, :ruleset::int as ruleset, array_agg(lead_id order by seq) as leads,
                   array_agg(rep_no order by seq) as reps, array_agg('import'::text order by seq) as words
              from given having count(*) > 0
            union all
            select 'lead.ended', null, null, array_agg(lead_id order by seq), array_agg(rep_no order by seq), array_agg(outcome order by seq)
              from given where outcome is not null having count(*) > 0) n, tenant t
     where t.tenant_id = :tenant_id and t.events_since is not null
     order by n.type
)
insert into assignment (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq)
select :tenant_id, lead_id, rep_no, customer_id, assigned_at, :batch_no, seq from given where outcome is null;

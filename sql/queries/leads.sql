-- name: steady_plans(tenant_id, idle_timeout)
-- Whether the tenant is there, its match rules (null = none, so the default), the time, and until the transaction ends
-- an end of silence and plans that are made once for a connection, whatever statistics say of a tenant (nothing, when it is new). With sorting off, `order by ... limit 1` names the index: of several that begin with
-- tenant_id only one has that order. `between x and x`: of `= x` the planner would know that it needs no order.
select (select source from customer_rules where tenant_id = :tenant_id order by version desc limit 1) as match_rules,
       exists (select from tenant where tenant_id = :tenant_id) as is_there, clock_timestamp() as moment,
       set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
       set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true);

-- name: clock()
-- The time that is stored: the database's.
select clock_timestamp();

-- name: stored_leads(tenant_id, sources, external_ids)
-- Which of the named leads are there already, and what they say; ord counts from 1 in the arrays. A row with ord 0 = some leads of the tenant are archived:
-- said in this statement, or a lead could be archived between two looks and seen by neither.
select named.ord, near.lead_id, near.created_at, near.name, near.phone, near.email, near.company, near.declared_customer, near.region,
       near.industry, near.product, near.campaign, near.ad_id, near.landing_page
  from unnest(:sources::text[], :external_ids::text[]) with ordinality as named(source, external_id, ord)
 cross join lateral (
       select lead_id, created_at, name, phone, email, company, declared_customer, region, industry, product, campaign, ad_id,
              landing_page
         from lead
        where tenant_id = :tenant_id and (source, external_id) >= (named.source, named.external_id)
          and (source, external_id) <= (named.source, named.external_id)
        order by source, external_id
        limit 1) as near
union all
select 0, 0, null, null, null, null, null, null, null, null, null, null, null, null
 where exists (select from archived_count where tenant_id = :tenant_id);

-- name: new_numbers(customers, leads)
-- Numbers for new customers and new leads, ascending, and the time at which the leads are stored.
select array(select nextval('customer_id_seq') from generate_series(1, :customers::int)) as customers,
       array(select nextval('lead_lead_id_seq') from generate_series(1, :leads::int)) as leads,
       statement_timestamp() as moment;

-- name: archived_leads(tenant_id, sources, external_ids)
-- Which of the named leads are archived: closed long ago, and nothing is known of them any more but that they were there.
select named.ord, near.lead_id
  from unnest(:sources::text[], :external_ids::text[]) with ordinality as named(source, external_id, ord)
 cross join lateral (
       select lead_id from archived
        where tenant_id = :tenant_id and (source, external_id) >= (named.source, named.external_id)
          and (source, external_id) <= (named.source, named.external_id)
        order by source, external_id
        limit 1) as near;

-- name: by_identity(tenant_id, source, external_id)
-- The number of the lead with this identity.
select lead_id from lead where tenant_id = :tenant_id and source = :source and external_id = :external_id
union all
select lead_id from archived where tenant_id = :tenant_id and source = :source and external_id = :external_id
limit 1;

-- name: contact(tenant_id, lead_id)
-- Who a lead is about.
select name, phone, email, company from lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: attributes(tenant_id, lead_id)
-- What a lead brought beside its fields, as JSON.
select attributes::text from lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: states(tenant_id, lead_ids)
-- Where leads are now; a merged one with the lead that it was merged into.
select named.lead_id, found.state, found.into_lead_id
  from unnest(:lead_ids::bigint[]) as named(lead_id)
 cross join lateral (
       (select 'waiting' as state, null::bigint as into_lead_id from lead_pool
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'assigned', null from assignment
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'parked', null from parked
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'merged', into_lead_id from merged
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'closed', null from closed
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'archived', into_lead_id from archived
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       union all (select 'removed', null from removed_lead
         where tenant_id = :tenant_id and lead_id between named.lead_id and named.lead_id order by lead_id limit 1)
       limit 1) as found;

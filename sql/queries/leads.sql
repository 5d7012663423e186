-- name: steady_plans(tenant_id, idle_timeout)
-- The tenant's match rules (null = none, so the default) and the time; until the transaction ends an end of silence and plans that do not depend on what
-- statistics say of a tenant (nothing, when it is new). With sorting off, `order by ... limit 1` names the index: of several that begin with tenant_id only one has that order.
select (select source from customer_rules where tenant_id = :tenant_id order by version desc limit 1) as match_rules,
       clock_timestamp() as clock, exists (select from archived_count where tenant_id = :tenant_id) as archives,
       set_config('idle_in_transaction_session_timeout', :idle_timeout, true),
       set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true);

-- name: clock()
-- The time that is stored: the database's.
select clock_timestamp();

-- name: stored_leads(tenant_id, sources, external_ids)
-- Which of the named leads are there already, and what they say; ord counts from 1 in the arrays.
select named.ord, near.lead_id, near.created_at, near.name, near.phone, near.email, near.company, near.declared_customer, near.region,
       near.industry, near.product, near.campaign, near.ad_id, near.landing_page
  from unnest(:sources::text[], :external_ids::text[]) with ordinality as named(source, external_id, ord)
 cross join lateral (
       select source, external_id, lead_id, created_at, name, phone, email, company, declared_customer, region, industry, product,
              campaign, ad_id, landing_page
         from lead
        where tenant_id = :tenant_id and (source, external_id) >= (named.source, named.external_id)
        order by source, external_id
        limit 1) as near
 where near.source = named.source and near.external_id = named.external_id;

-- name: archived_leads(tenant_id, sources, external_ids)
-- Which of the named leads are archived: closed long ago, and nothing is known of them any more but that they were there.
select named.ord, near.lead_id
  from unnest(:sources::text[], :external_ids::text[]) with ordinality as named(source, external_id, ord)
 cross join lateral (
       select source, external_id, lead_id from archived
        where tenant_id = :tenant_id and (source, external_id) >= (named.source, named.external_id)
        order by source, external_id
        limit 1) as near
 where near.source = named.source and near.external_id = named.external_id;

-- name: by_identity(tenant_id, source, external_id)
-- The number of the lead with this identity.
select lead_id from lead where tenant_id = :tenant_id and source = :source and external_id = :external_id
union all
select lead_id from archived where tenant_id = :tenant_id and source = :source and external_id = :external_id
limit 1;

-- name: contact(tenant_id, lead_id)
-- Who a lead is about.
select name, phone, email, company from lead where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: states(tenant_id, lead_ids)
-- Where leads are now; a merged one with the lead that it was merged into.
select named.lead_id, found.state, found.into_lead_id
  from unnest(:lead_ids::bigint[]) as named(lead_id)
 cross join lateral (
       select 'waiting' as state, null::bigint as into_lead_id from lead_pool where tenant_id = :tenant_id and lead_id = named.lead_id
       union all select 'assigned', null from assignment where tenant_id = :tenant_id and lead_id = named.lead_id
       union all select 'parked', null from parked where tenant_id = :tenant_id and lead_id = named.lead_id
       union all select 'merged', into_lead_id from merged where tenant_id = :tenant_id and lead_id = named.lead_id
       union all select 'closed', null from closed where tenant_id = :tenant_id and lead_id = named.lead_id
       union all select 'archived', into_lead_id from archived where tenant_id = :tenant_id and lead_id = named.lead_id
       limit 1) as found;

-- name: new_lead_ids(n)
-- Numbers for new leads, ascending.
select nextval('lead_lead_id_seq') from generate_series(1, :n::int);

-- name: earlier_enquiries(tenant_id, lead_ids, customer_ids, created_ats, sources, products, names, phones, emails, companies, declareds)
-- For each new lead: the stored lead that it repeats exactly within 24 hours, as that one's root; closed leads take no repeats.
select new.lead_id, earlier.root
  from unnest(:lead_ids::bigint[], :customer_ids::bigint[], :created_ats::timestamptz[], :sources::text[], :products::text[],
              :names::text[], :phones::text[], :emails::text[], :companies::text[], :declareds::text[])
       as new(lead_id, customer_id, created_at, source, product, name, phone, email, company, declared_customer)
 cross join lateral (
       select found.root
         from (select coalesce((select into_lead_id from merged where tenant_id = :tenant_id and merged.lead_id = lead.lead_id limit 1),
                               lead.lead_id) as root
                 from lead
                where lead.tenant_id = :tenant_id and lead.customer_id = new.customer_id
                  and lead.created_at between new.created_at - interval '24 hours' and new.created_at + interval '24 hours'
                  and (lead.source, lead.product, lead.name, lead.phone, lead.email, lead.company, lead.declared_customer)
                      is not distinct from
                      (new.source, new.product, new.name, new.phone, new.email, new.company, new.declared_customer)
                order by lead.created_at
               offset 0) as found
        where (select true from closed where tenant_id = :tenant_id and closed.lead_id = found.root limit 1) is null
        limit 1) as earlier;

-- name: store_few(tenant_id, now, rows)
-- What store_leads, put_into_pool, put_into_merged and put_into_parked do, for a few leads in one statement: a table for them would cost more than
-- they do, and so would an array for each column.
with incoming as materialized (
    select * from json_to_recordset(:rows::json)
             as i(turn int, lead_id bigint, source text, external_id text, created_at timestamptz, name text, phone text, email text,
                  company text, declared_customer text, customer_id bigint, region text, industry text, product text, campaign text,
                  ad_id text, landing_page text, priority int, attributes jsonb, into_lead_id bigint, invalid text)
), stored as (
    insert into lead (tenant_id, lead_id, source, external_id, created_at, received_at, name, phone, email, company, declared_customer,
                      customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes)
    select :tenant_id, lead_id, source, external_id, created_at, coalesce(:now::timestamptz, statement_timestamp()), name, phone, email,
           company, declared_customer, customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes
      from incoming
     order by turn
        on conflict (tenant_id, source, external_id) do nothing
    returning lead_id
), in_pool as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                           ad_id, landing_page)
    select :tenant_id, lead_id, -priority, coalesce(:now::timestamptz, statement_timestamp()), created_at, customer_id, nullif(source, ''),
           region, industry, product, campaign, ad_id, landing_page
      from incoming
     where into_lead_id is null and invalid is null
     order by priority desc, lead_id
    returning lead_id
), in_merged as (
    insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
    select :tenant_id, lead_id, into_lead_id, coalesce(:now::timestamptz, statement_timestamp())
      from incoming
     where into_lead_id is not null
), in_parked as (
    insert into parked (tenant_id, lead_id, reason, detail, parked_at)
    select :tenant_id, lead_id, 'lead_invalid', invalid, coalesce(:now::timestamptz, statement_timestamp())
      from incoming
     where into_lead_id is null and invalid is not null
), heard_merged as (
    insert into event (tenant_id, type, at, leads, targets)
    select t.tenant_id, 'lead.merged', coalesce(:now::timestamptz, statement_timestamp()), array_agg(i.lead_id order by i.lead_id),
           array_agg(i.into_lead_id order by i.lead_id)
      from incoming i, tenant t
     where i.into_lead_id is not null and t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id
), heard_parked as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.parked', coalesce(:now::timestamptz, statement_timestamp()), array_agg(i.lead_id order by i.lead_id),
           array_fill('lead_invalid'::text, array[count(*)::int])
      from incoming i, tenant t
     where i.into_lead_id is null and i.invalid is not null and t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id
)
select (select count(*)::int from stored) as stored, (select count(*)::int from in_pool) as in_pool;

-- name: open_incoming()!
-- A table for one batch; it belongs to the transaction, so this works behind PgBouncer.
create temp table incoming (
    turn              int not null,
    lead_id           bigint not null,
    source            text not null,
    external_id       text not null,
    created_at        timestamptz not null,
    name              text,
    phone             text,
    email             text,
    company           text,
    declared_customer text,
    customer_id       bigint,
    region            text,
    industry          text,
    product           text,
    campaign          text,
    ad_id             text,
    landing_page      text,
    priority          int not null,
    attributes        jsonb,
    into_lead_id      bigint,
    invalid           text
) on commit drop;

-- name: close_incoming()!
-- Makes room for another batch in the same transaction.
drop table incoming;

-- name: store_leads(tenant_id, now)!
-- Stores the batch's leads, in one order for everybody; touches fewer rows than it holds when another intake was faster.
insert into lead (tenant_id, lead_id, source, external_id, created_at, received_at, name, phone, email, company, declared_customer,
                  customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes)
select :tenant_id, lead_id, source, external_id, created_at, coalesce(:now::timestamptz, statement_timestamp()), name, phone, email,
       company, declared_customer, customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes
  from incoming
 order by turn
    on conflict (tenant_id, source, external_id) do nothing;

-- name: put_into_pool(tenant_id, now)!
-- The batch's leads that wait for a rep.
insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                       ad_id, landing_page)
select :tenant_id, lead_id, -priority, coalesce(:now::timestamptz, statement_timestamp()), created_at, customer_id, nullif(source, ''), region,
       industry, product, campaign, ad_id, landing_page
  from incoming
 where into_lead_id is null and invalid is null
 order by priority desc, lead_id;

-- name: put_into_merged(tenant_id, now)!
-- The batch's exact repeats, and their event.
with happened as (
    insert into event (tenant_id, type, at, leads, targets)
    select t.tenant_id, 'lead.merged', coalesce(:now::timestamptz, statement_timestamp()), array_agg(i.lead_id order by i.lead_id),
           array_agg(i.into_lead_id order by i.lead_id)
      from incoming i, tenant t
     where i.into_lead_id is not null and t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
select :tenant_id, lead_id, into_lead_id, coalesce(:now::timestamptz, statement_timestamp())
  from incoming
 where into_lead_id is not null;

-- name: put_into_parked(tenant_id, now)!
-- The batch's leads that nobody can work on, and their event.
with happened as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.parked', coalesce(:now::timestamptz, statement_timestamp()), array_agg(i.lead_id order by i.lead_id),
           array_agg('lead_invalid'::text)
      from incoming i, tenant t
     where i.into_lead_id is null and i.invalid is not null and t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
insert into parked (tenant_id, lead_id, reason, detail, parked_at)
select :tenant_id, lead_id, 'lead_invalid', invalid, coalesce(:now::timestamptz, statement_timestamp())
  from incoming
 where into_lead_id is null and invalid is not null;

-- name: hint(tenant_id)
-- Tells listening routers that the tenant has work; only a hint, polling is the truth.
select pg_notify('lead_router', :tenant_id::int::text);

-- name: place(tenant_id, moment, waiting, repeats, repeated, invalid, reasons)
-- Puts leads that are stored into exactly one of pool (in the order of the array), merged and parked, with the events, and tells listening routers when
-- some wait; only a hint, polling is the truth.
with in_pool as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                           ad_id, landing_page)
    select :tenant_id, stored.lead_id, -stored.priority, :moment, stored.created_at, stored.customer_id, nullif(stored.source, ''),
           stored.region, stored.industry, stored.product, stored.campaign, stored.ad_id, stored.landing_page
      from unnest(:waiting::bigint[]) as named(lead_id)
     cross join lateral (
            select lead_id, priority, created_at, customer_id, source, region, industry, product, campaign, ad_id, landing_page
              from lead
             where tenant_id = :tenant_id and lead.lead_id between named.lead_id and named.lead_id
             order by lead_id
             limit 1) as stored
), in_merged as (
    insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
    select :tenant_id, lead_id, into_lead_id, :moment from unnest(:repeats::bigint[], :repeated::bigint[]) as named(lead_id, into_lead_id)
), in_parked as (
    insert into parked (tenant_id, lead_id, reason, detail, parked_at)
    select :tenant_id, lead_id, 'lead_invalid', detail, :moment from unnest(:invalid::bigint[], :reasons::text[]) as named(lead_id, detail)
), heard_merged as (
    insert into event (tenant_id, type, at, leads, targets)
    select t.tenant_id, 'lead.merged', :moment, array_agg(i.lead_id order by i.lead_id), array_agg(i.into_lead_id order by i.lead_id)
      from unnest(:repeats::bigint[], :repeated::bigint[]) as i(lead_id, into_lead_id), tenant t
     where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id
), heard_parked as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.parked', :moment, array_agg(i.lead_id order by i.lead_id), array_agg('lead_invalid'::text)
      from unnest(:invalid::bigint[]) as i(lead_id), tenant t
     where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id
)
select pg_notify('lead_router', :tenant_id::int::text) where cardinality(:waiting::bigint[]) > 0;

-- name: store_few(tenant_id, moment, rows, keys, customer_ids, people, route, idempotency_keys, body_hashes, idempotency_leads, answers, holds_s)
-- What COPY and `place` do for waiting leads, for a few in one statement, together with `add_keys` of new customers and `put_keys`: for so few the round trips cost more
-- than the rows do, and an array for each column costs more than JSON. Leads that repeat one or are invalid are stored, too, and to be placed. Everything in one order
-- for everybody: customers' keys, leads, idempotency keys, each in the order in which they are given (idempotency keys by their texts). Says how many of these were stored.
with keyed as (
    insert into customer_key (tenant_id, key, customer_id, people)
    select :tenant_id, named.key, named.customer_id, named.people::bigint[]
      from unnest(:keys::uuid[], :customer_ids::bigint[], :people::text[]) as named(key, customer_id, people)
    returning 1
), incoming as materialized (
    select * from json_to_recordset(:rows::json)
             as i(lead_id bigint, source text, external_id text, created_at timestamptz, name text, phone text, email text,
                  company text, declared_customer text, customer_id bigint, region text, industry text, product text, campaign text,
                  ad_id text, landing_page text, priority int, attributes jsonb, into_lead_id bigint, invalid text, enquiry text)
), stored as (
    insert into lead (tenant_id, lead_id, source, external_id, created_at, received_at, name, phone, email, company, declared_customer,
                      customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes, enquiry)
    select :tenant_id, lead_id, source, external_id, created_at, :moment, name, phone, email,
           company, declared_customer, customer_id, region, industry, product, campaign, ad_id, landing_page, priority, attributes, enquiry
      from incoming
     where (select count(*) from keyed) >= 0
    returning 1
), in_pool as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                           ad_id, landing_page)
    select :tenant_id, lead_id, -priority, :moment, created_at, customer_id, nullif(source, ''),
           region, industry, product, campaign, ad_id, landing_page
      from incoming
     where into_lead_id is null and invalid is null
     order by priority desc, lead_id
), answered as (
    insert into idempotency (tenant_id, route, key, body_hash, lead_id, answer, expires_at)
    select :tenant_id, :route, named.key, named.body_hash, named.lead_id, named.answer,
           statement_timestamp() + make_interval(secs => :holds_s::float8)
      from unnest(:idempotency_keys::text[], :body_hashes::bytea[], :idempotency_leads::bigint[], :answers::bytea[])
           as named(key, body_hash, lead_id, answer)
     where (select count(*) from stored) >= 0
     order by named.key
        on conflict (tenant_id, route, key) do update
       set body_hash = excluded.body_hash, lead_id = excluded.lead_id, answer = excluded.answer, expires_at = excluded.expires_at
     where idempotency.expires_at <= (excluded.expires_at at time zone 'UTC' - make_interval(secs => :holds_s)) at time zone 'UTC'
    returning 1
)
select (select count(*) from answered) as answered,
       case when exists (select from incoming where into_lead_id is null and invalid is null)
            then pg_notify('lead_router', :tenant_id::int::text) end as hinted;

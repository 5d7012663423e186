-- Correcting facts of leads that nobody has worked on, from a file.

-- name: facts(tenant_id, lead_ids)
-- What is stored of leads, beside where they are (`imports.where_are`).
select lead_id, created_at, source, external_id, name, phone, email, company, declared_customer, region, industry, product, campaign,
       ad_id, landing_page, priority, attributes::text as attributes, enquiry
  from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]);

-- name: wake_keys(tenant_id, lead_ids)
-- What those of these leads wait for that wait.
select distinct wake_key from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and wake_key <> 0;

-- name: keep(tenant_id, batch_no, change_id, rows)!
-- Keeps what leads said up to a batch; a correction before it, since that batch, knows it already.
insert into lead_correction (tenant_id, lead_id, batch_no, created_before, created_after, facts_before, change_id)
select :tenant_id, l.lead_id, :batch_no, l.created_at, n.created_at,
       array[l.source, l.region, l.industry, l.product, l.campaign, l.ad_id, l.landing_page], :change_id
  from json_to_recordset(:rows::json) as n(lead_id bigint, created_at timestamptz)
  join lead l on l.tenant_id = :tenant_id and l.lead_id = n.lead_id
    on conflict (tenant_id, lead_id, batch_no) do update
   set created_after = excluded.created_after, corrected_at = excluded.corrected_at, change_id = excluded.change_id,
       facts_before = coalesce(lead_correction.facts_before, excluded.facts_before);

-- name: correct_leads(tenant_id, rows)!
-- Writes what leads say now.
update lead l
   set created_at = n.created_at, name = n.name, phone = n.phone, email = n.email, company = n.company, declared_customer = n.declared_customer,
       customer_id = n.customer_id, region = n.region, industry = n.industry, product = n.product, campaign = n.campaign, ad_id = n.ad_id,
       landing_page = n.landing_page, priority = n.priority, attributes = n.attributes, enquiry = n.enquiry
  from json_to_recordset(:rows::json)
       as n(lead_id bigint, created_at timestamptz, name text, phone text, email text, company text, declared_customer text, customer_id bigint,
            region text, industry text, product text, campaign text, ad_id text, landing_page text, priority int, attributes jsonb, enquiry text)
 where l.tenant_id = :tenant_id and l.lead_id = n.lead_id;

-- name: correct_pool(tenant_id, lead_ids, wake_key)!
-- Those of the leads that wait do so with what they say now; they get their turn, whatever they waited for.
update lead_pool p
   set rank = -l.priority, created_at = l.created_at, customer_id = l.customer_id, region = l.region, industry = l.industry, product = l.product,
       campaign = l.campaign, ad_id = l.ad_id, landing_page = l.landing_page, wake_key = case when p.wake_key = 0 then 0 else :wake_key::int end
  from lead l
 where p.tenant_id = :tenant_id and p.lead_id = any(:lead_ids::bigint[]) and l.tenant_id = :tenant_id and l.lead_id = p.lead_id;

-- name: customers_changed(tenant_id, moment, lead_ids, before, after)!
-- Leads belong to other customers now, which is an event.
insert into event (tenant_id, type, at, leads, previous, targets)
select tenant_id, 'lead.customer_changed', :moment, :lead_ids::bigint[], :before::bigint[], :after::bigint[]
  from tenant where tenant_id = :tenant_id and events_since is not null and cardinality(:lead_ids) > 0;

-- name: put_right(tenant_id, lead_ids)
-- Those of these leads that are parked because nobody could work on them.
select lead_id from parked where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) and reason = 'lead_invalid';

-- name: park_invalid(tenant_id, moment, lead_ids, details)!
-- Leads on which nobody can work any more are parked, as intake would have parked them. Those that a person parked stay so.
with named as (
    select * from unnest(:lead_ids::bigint[], :details::text[]) as named(lead_id, detail)),
taken as (
    delete from lead_pool p using named n where p.tenant_id = :tenant_id and p.lead_id = n.lead_id
    returning p.lead_id, n.detail, p.excluded, p.last_batch_no),
happened as (
    insert into event (tenant_id, type, at, leads, words)
    select t.tenant_id, 'lead.parked', :moment, array_agg(taken.lead_id order by taken.lead_id), array_agg('lead_invalid'::text)
      from taken, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id),
put as (
    insert into parked (tenant_id, lead_id, reason, detail, parked_at, last_batch_no, excluded)
    select :tenant_id, lead_id, 'lead_invalid', detail, :moment, last_batch_no, excluded from taken)
update parked p set reason = 'lead_invalid', detail = n.detail
  from named n where p.tenant_id = :tenant_id and p.lead_id = n.lead_id and p.reason <> 'screening';

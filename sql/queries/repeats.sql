-- Which leads repeat which: what is stored around new ones, and changes of what was found before.

-- name: near(tenant_id, lead_ids, customer_ids, created_ats, external_ids, sources, enquiries, products, names, phones, emails, companies, declareds)
-- For each new lead what is stored of its enquiry within 24 hours: the lead that stands for the one before it, and whether there is one after it.
-- Closed leads, those that nobody can work on, and what was merged into them take part no more. Ids of one time are in the order of their bytes everywhere.
select new.lead_id, before.root, (select created_at from lead r
         where r.tenant_id = :tenant_id and r.lead_id between before.root and before.root order by r.lead_id limit 1) as root_at,
       later.found is not null as later
  from unnest(:lead_ids::bigint[], :customer_ids::bigint[], :created_ats::timestamptz[], :external_ids::text[], :sources::text[], :enquiries::text[],
              :products::text[], :names::text[], :phones::text[], :emails::text[], :companies::text[], :declareds::text[])
       as new(lead_id, customer_id, created_at, external_id, source, enquiry, product, name, phone, email, company, declared_customer)
  left join lateral (
       select found.root
         from (select coalesce((select into_lead_id from merged
                                 where tenant_id = :tenant_id and merged.lead_id between lead.lead_id and lead.lead_id
                                 order by merged.lead_id limit 1),
                               lead.lead_id) as root
                 from lead
                where lead.tenant_id = :tenant_id and lead.customer_id = new.customer_id
                  and lead.created_at between new.created_at - interval '24 hours' and new.created_at
                  and (lead.created_at, lead.external_id collate "C") < (new.created_at, new.external_id)
                  and lead.source = new.source and lead.enquiry is not distinct from new.enquiry
                  and (new.enquiry is not null or (lead.product, lead.name, lead.phone, lead.email, lead.company, lead.declared_customer)
                       is not distinct from (new.product, new.name, new.phone, new.email, new.company, new.declared_customer))
                order by lead.created_at desc
               offset 0) as found
        where (select true from closed where tenant_id = :tenant_id and closed.lead_id between found.root and found.root
                order by closed.lead_id limit 1) is null
          and (select true from parked where tenant_id = :tenant_id and parked.lead_id between found.root and found.root and reason = 'lead_invalid'
                order by parked.lead_id limit 1) is null
        limit 1) as before on true
  left join lateral (
       select true as found
         from (select coalesce((select into_lead_id from merged
                                 where tenant_id = :tenant_id and merged.lead_id between lead.lead_id and lead.lead_id
                                 order by merged.lead_id limit 1),
                               lead.lead_id) as root
                 from lead
                where lead.tenant_id = :tenant_id and lead.customer_id = new.customer_id
                  and lead.created_at between new.created_at and new.created_at + interval '24 hours'
                  and (lead.created_at, lead.external_id collate "C") > (new.created_at, new.external_id)
                  and lead.source = new.source and lead.enquiry is not distinct from new.enquiry
                  and (new.enquiry is not null or (lead.product, lead.name, lead.phone, lead.email, lead.company, lead.declared_customer)
                       is not distinct from (new.product, new.name, new.phone, new.email, new.company, new.declared_customer))
                order by lead.created_at
               offset 0) as found
        where (select true from closed where tenant_id = :tenant_id and closed.lead_id between found.root and found.root
                order by closed.lead_id limit 1) is null
          and (select true from parked where tenant_id = :tenant_id and parked.lead_id between found.root and found.root and reason = 'lead_invalid'
                order by parked.lead_id limit 1) is null
        limit 1) as later on true
 where before.root is not null or later.found is not null;

-- name: plan_anew()!
-- Until the transaction ends each statement is planned each time: what follows is rare, and its plans depend on what it is asked.
set local plan_cache_mode = force_custom_plan;

-- name: members(tenant_id, customer_id, source, enquiry, product, name, phone, email, company, declared, since, until)
-- The leads of an enquiry that were created in a span of time, and all that are merged together with them; same = it is of this enquiry itself.
-- Those that take part no more are left out, as in `near`.
with here as (
    select coalesce((select into_lead_id from merged where tenant_id = :tenant_id and merged.lead_id = lead.lead_id limit 1), lead.lead_id) as root
      from lead
     where lead.tenant_id = :tenant_id and lead.customer_id = :customer_id and lead.created_at between :since and :until
       and lead.source = :source and lead.enquiry is not distinct from :enquiry::text
       and (:enquiry is not null or (lead.product, lead.name, lead.phone, lead.email, lead.company, lead.declared_customer)
            is not distinct from (:product::text, :name::text, :phone::text, :email::text, :company::text, :declared::text))),
roots as (
    select distinct root from here
     where (select true from closed where tenant_id = :tenant_id and closed.lead_id = here.root limit 1) is null
       and (select true from parked where tenant_id = :tenant_id and parked.lead_id = here.root and reason = 'lead_invalid' limit 1) is null),
together as (
    select root as lead_id, root from roots
    union all
    select merged.lead_id, roots.root from roots join merged on merged.tenant_id = :tenant_id and merged.into_lead_id = roots.root)
select t.lead_id, t.root, l.created_at, l.external_id,
       l.customer_id is not distinct from :customer_id and l.source = :source and l.enquiry is not distinct from :enquiry
       and (:enquiry is not null or (l.product, l.name, l.phone, l.email, l.company, l.declared_customer)
            is not distinct from (:product, :name, :phone, :email, :company, :declared)) as same,
       exists (select from lead_pool p where p.tenant_id = :tenant_id and p.lead_id = t.lead_id) as waiting
  from together t join lead l on l.tenant_id = :tenant_id and l.lead_id = t.lead_id;

-- name: hold_waiting(tenant_id, lead_ids)
-- Those of these leads that wait and that nobody else holds, locked until the transaction ends.
select lead_id from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by lead_id for update skip locked;

-- name: join(tenant_id, moment, lead_ids, roots)
-- Waiting leads, held, are merged into others, which is an event.
with gone as (
    delete from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) returning lead_id),
joined as (
    insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
    select :tenant_id, lead_id, (:roots::bigint[])[array_position(:lead_ids, lead_id)], :moment from gone
    returning lead_id, into_lead_id),
happened as (
    insert into event (tenant_id, type, at, leads, targets)
    select t.tenant_id, 'lead.merged', :moment, array_agg(j.lead_id order by j.lead_id), array_agg(j.into_lead_id order by j.lead_id)
      from joined j, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
select count(*)::int from joined;

-- name: repoint(tenant_id, moment, lead_ids, roots)
-- Leads that are merged are merged into others now, which is an event.
with moved as (
    update merged set into_lead_id = (:roots::bigint[])[array_position(:lead_ids::bigint[], lead_id)], merged_at = :moment
     where tenant_id = :tenant_id and lead_id = any(:lead_ids)
    returning lead_id, into_lead_id),
happened as (
    insert into event (tenant_id, type, at, leads, targets)
    select t.tenant_id, 'lead.merged', :moment, array_agg(m.lead_id order by m.lead_id), array_agg(m.into_lead_id order by m.lead_id)
      from moved m, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
select count(*)::int from moved;

-- name: release(tenant_id, moment, lead_ids)
-- Merged leads wait for a rep by themselves, queued now, which is an event, and routers hear of it.
with freed as (
    delete from merged where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) returning lead_id, into_lead_id),
waiting as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign, ad_id,
                           landing_page)
    select :tenant_id, l.lead_id, -l.priority, :moment, l.created_at, l.customer_id, nullif(l.source, ''), l.region, l.industry, l.product,
           l.campaign, l.ad_id, l.landing_page
      from freed f join lead l on l.tenant_id = :tenant_id and l.lead_id = f.lead_id
    returning lead_id),
happened as (
    insert into event (tenant_id, type, at, leads, previous)
    select t.tenant_id, 'lead.unmerged', :moment, array_agg(f.lead_id order by f.lead_id), array_agg(f.into_lead_id order by f.lead_id)
      from freed f, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
select count(*)::int, pg_notify('lead_router', :tenant_id::int::text) from waiting;

-- name: merged_into(tenant_id, lead_id)
-- The lead that a lead is merged into.
select into_lead_id from merged where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: repeats_of(tenant_id, lead_id, limit)
-- The leads that are merged into a lead.
select lead_id from merged where tenant_id = :tenant_id and into_lead_id = :lead_id order by lead_id limit :limit;

-- name: keep_apart(tenant_id, lead_id)!
-- The lead is merged with no other lead from now on.
update lead set enquiry = '' where tenant_id = :tenant_id and lead_id = :lead_id;

-- name: merged_of(tenant_id, customers)
-- The leads of these customers that are merged into one that takes part still, as in `near`.
select l.lead_id, l.source, l.external_id, l.name, l.phone, l.email, l.company, l.declared_customer, l.enquiry
  from lead l
 cross join lateral (select into_lead_id from merged m where m.tenant_id = :tenant_id and m.lead_id = l.lead_id limit 1) m
 where l.tenant_id = :tenant_id and l.customer_id = any(:customers::bigint[])
   and (select true from closed c where c.tenant_id = :tenant_id and c.lead_id = m.into_lead_id limit 1) is null
   and (select true from parked p where p.tenant_id = :tenant_id and p.lead_id = m.into_lead_id and p.reason = 'lead_invalid' limit 1) is null;

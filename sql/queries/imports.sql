-- Imports of files: what each brought, and taking it back.

-- name: begin(tenant_id, actor, file, mapping)
-- Notes that an import begins; its number.
insert into lead_import (tenant_id, actor, file, mapping) values (:tenant_id, :actor, :file, :mapping) returning import_no;

-- name: end(tenant_id, import_no, rows, rejected)!
-- Notes that all of a file was read.
update lead_import set ended_at = statement_timestamp(), rows = :rows, rejected = :rejected where tenant_id = :tenant_id and import_no = :import_no;

-- name: add_part(tenant_id, import_no, firsts, lasts, new, repeated, merged, parked, differing)!
-- Notes what a batch of an import brought, in the transaction that stored it.
insert into lead_import_part (tenant_id, import_no, firsts, lasts, new, repeated, merged, parked, differing)
values (:tenant_id, :import_no, :firsts::bigint[], :lasts::bigint[], :new, :repeated, :merged, :parked, :differing);

-- name: imports(tenant_id, import_no, before, limit)
-- The last imports of a tenant (below a number: null = all), or one of them, the youngest first, with what they brought.
select i.import_no, i.began_at, i.ended_at, i.actor, i.file, i.mapping, i.rows, i.rejected, i.removed, i.undone_at, i.undone_by,
       coalesce(p.new, 0)::bigint as new, coalesce(p.repeated, 0)::bigint as repeated, coalesce(p.merged, 0)::bigint as merged,
       coalesce(p.parked, 0)::bigint as parked, coalesce(p.differing, 0)::bigint as differing
  from (select * from lead_import
         where tenant_id = :tenant_id and (:import_no::bigint is null or import_no = :import_no)
           and (:before::bigint is null or import_no < :before)
         order by import_no desc limit :limit) i
  left join lateral (
       select sum(new) as new, sum(repeated) as repeated, sum(merged) as merged, sum(parked) as parked, sum(differing) as differing
         from lead_import_part where tenant_id = :tenant_id and import_no = i.import_no) p on true
 order by i.import_no desc;

-- name: tenant_of(import_no)
-- The tenant of an import; numbers are unique over all tenants.
select i.tenant_id from tenant t join lead_import i on i.tenant_id = t.tenant_id and i.import_no = :import_no;

-- name: ranges(tenant_id, import_no)
-- The numbers of the leads that an import brought, as ranges, the last ones first.
select r.first, r.last from lead_import_part p cross join lateral unnest(p.firsts, p.lasts) as r(first, last)
 where p.tenant_id = :tenant_id and p.import_no = :import_no
 order by r.first desc;

-- name: steady_plans()!
-- For walking along the primary key until the transaction ends, whatever the statistics say.
set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off; set local jit = off;

-- name: next(tenant_id, first, below, limit)
-- The next leads of a range of numbers, downwards: what is merged into others mostly comes before these. Holds nothing.
select lead_id from lead
 where tenant_id = :tenant_id and lead_id >= :first::bigint and lead_id < :below::bigint order by lead_id desc limit :limit;

-- name: where_are(tenant_id, lead_ids)
-- Where leads are, and who has them. A lead with an ended assignment was worked on, wherever it is.
select l.lead_id, l.customer_id, l.source, l.external_id,
       case when p.lead_id is not null then 'waiting' when a.lead_id is not null then 'assigned' when x.lead_id is not null then 'parked'
            when m.lead_id is not null then 'merged' when c.lead_id is not null then 'closed' else 'nowhere' end as state,
       exists (select from assignment_history h where h.tenant_id = :tenant_id and h.lead_id = l.lead_id) as worked_on,
       (select r.rep_id from rep r where r.tenant_id = :tenant_id and r.rep_no = a.rep_no) as rep_id
  from lead l
  left join lead_pool p on p.tenant_id = :tenant_id and p.lead_id = l.lead_id
  left join assignment a on a.tenant_id = :tenant_id and a.lead_id = l.lead_id
  left join parked x on x.tenant_id = :tenant_id and x.lead_id = l.lead_id
  left join merged m on m.tenant_id = :tenant_id and m.lead_id = l.lead_id
  left join closed c on c.tenant_id = :tenant_id and c.lead_id = l.lead_id
 where l.tenant_id = :tenant_id and l.lead_id = any(:lead_ids::bigint[])
 order by l.lead_id;

-- name: hold(tenant_id, lead_ids)
-- Those of these leads that wait, are parked or are merged, that nobody has worked on, and that nobody else holds: locked until the transaction ends.
with waiting as (
    select lead_id from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by lead_id for update skip locked),
aside as (
    select lead_id from parked where tenant_id = :tenant_id and lead_id = any(:lead_ids) order by lead_id for update skip locked),
repeats as (
    select lead_id from merged where tenant_id = :tenant_id and lead_id = any(:lead_ids) order by lead_id for update skip locked),
held as (select lead_id from waiting union all select lead_id from aside union all select lead_id from repeats)
select held.lead_id from held
 where not exists (select from assignment_history h where h.tenant_id = :tenant_id and h.lead_id = held.lead_id);

-- name: orphans(tenant_id, lead_ids)
-- Leads that are merged into one of these and are none of them; what each says, and when the lead was created that it is merged into.
select m.lead_id, m.into_lead_id, l.customer_id, l.source, l.external_id, l.created_at, l.name, l.phone, l.email, l.company, l.declared_customer,
       l.product, l.enquiry, r.created_at as root_at
  from merged m join lead l on l.tenant_id = :tenant_id and l.lead_id = m.lead_id
  join lead r on r.tenant_id = :tenant_id and r.lead_id = m.into_lead_id
 where m.tenant_id = :tenant_id and m.into_lead_id = any(:lead_ids::bigint[]) and not m.lead_id = any(:lead_ids);

-- name: remove(tenant_id, lead_ids, import_no, change_id, moment)
-- Removes leads that are held, wherever they are, which is an event: what says who the person is goes, their count stays.
with from_pool as (delete from lead_pool where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])),
from_parked as (delete from parked where tenant_id = :tenant_id and lead_id = any(:lead_ids)),
from_merged as (delete from merged where tenant_id = :tenant_id and lead_id = any(:lead_ids)),
gone as (
    delete from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids)
    returning lead_id, source, external_id, created_at, received_at, region, industry, product, campaign, ad_id, landing_page),
kept as (
    insert into removed_lead (tenant_id, lead_id, source, external_id, created_at, received_at, region, industry, product, campaign, ad_id,
                              landing_page, import_no, removed_at, change_id)
    select :tenant_id, lead_id, source, external_id, created_at, received_at, region, industry, product, campaign, ad_id, landing_page,
           :import_no, :moment, :change_id from gone
    returning lead_id),
counted as (
    insert into removed_count as c (tenant_id, leads) select :tenant_id, count(*) from kept having count(*) > 0
        on conflict (tenant_id) do update set leads = c.leads + excluded.leads),
noted as (
    update lead_import set removed = removed + (select count(*) from kept) where tenant_id = :tenant_id and import_no = :import_no),
happened as (
    insert into event (tenant_id, type, at, leads)
    select t.tenant_id, 'lead.removed', :moment, array_agg(k.lead_id order by k.lead_id)
      from kept k, tenant t where t.tenant_id = :tenant_id and t.events_since is not null
     group by t.tenant_id)
select count(*)::int from kept;

-- name: said(tenant_id, lead_ids)
-- What leads say of who they are, as far as customers are known by it.
select lead_id, customer_id, source, external_id, created_at, name, phone, email, company, declared_customer from lead
 where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]);

-- name: keys(tenant_id, keys)
-- What is stored of keys.
select key, customer_id, people, shared_as from customer_key where tenant_id = :tenant_id and key = any(:keys::uuid[]);

-- name: forget_keys(tenant_id, keys)!
-- No lead is left that brought these keys; those that an intake holds are in use again.
delete from customer_key where ctid = any(array(
       select ctid from customer_key where tenant_id = :tenant_id and key = any(:keys::uuid[]) for update skip locked));

-- name: take_people(tenant_id, keys, gone)!
-- Who came with keys, without those whom only leads showed that are gone; as the keys are now, whoever adds to them at the same time.
update customer_key
   set people = nullif(array(select mark from unnest(customer_key.people) as mark where mark <> all(named.gone::bigint[]) order by mark), '{}')
  from unnest(:keys::uuid[], :gone::text[]) as named(key, gone)
 where customer_key.tenant_id = :tenant_id and customer_key.key = named.key;

-- name: undone(tenant_id, import_no, actor)!
-- Notes that an import was taken back, as far as that could be.
update lead_import set undone_at = statement_timestamp(), undone_by = :actor where tenant_id = :tenant_id and import_no = :import_no;

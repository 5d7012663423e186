-- External ids that several sources have: most often one lead whose source was edited.

-- name: sources(tenant_id, limit)
-- The sources that leads of a tenant came from, along the index of identities.
with recursive found as (
    (select source from lead where tenant_id = :tenant_id order by source limit 1)
    union all
    select (select l.source from lead l where l.tenant_id = :tenant_id and l.source > f.source order by l.source limit 1)
      from found f where f.source is not null)
select source from found where source is not null limit :limit;

-- name: elsewhere(tenant_id, external_ids, own_sources, sources)
-- Which of the ids leads of other sources have; ord counts from 1 in the arrays.
select named.ord, other.source, near.lead_id
  from unnest(:external_ids::text[], :own_sources::text[]) with ordinality as named(external_id, own_source, ord)
 cross join unnest(:sources::text[]) as other(source)
 cross join lateral (
       select source, external_id, lead_id from lead
        where tenant_id = :tenant_id and (source, external_id) >= (other.source, named.external_id)
        order by source, external_id limit 1) as near
 where other.source <> named.own_source and near.source = other.source and near.external_id = named.external_id;

-- name: steady_plans()!
-- Until the transaction ends: along the index of identities, whatever the statistics say.
set local plan_cache_mode = force_custom_plan; set local enable_sort = off; set local enable_seqscan = off;
set local enable_bitmapscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off; set local jit = off;

-- name: hold_ids(tenant_id)
-- Intakes of a tenant for which ids are unique over sources take turns: no index keeps them apart.
select pg_advisory_xact_lock(hashtext('lead-router: ids'), :tenant_id::int);

-- name: brought(tenant_id, import_no)
-- How many leads an import brought.
select coalesce(sum(new), 0)::bigint from lead_import_part where tenant_id = :tenant_id and import_no = :import_no;

-- name: of_import(tenant_id, import_no, limit)
-- Leads of an import whose id a lead of another source has, each with one of those; `found` is how many there are.
with own as (
    select l.lead_id, l.source, l.external_id
      from lead_import_part p cross join lateral unnest(p.firsts, p.lasts) as r(first, last)
      join lead l on l.tenant_id = :tenant_id and l.lead_id between r.first and r.last
     where p.tenant_id = :tenant_id and p.import_no = :import_no)
select count(*) over () as found, own.lead_id, own.source, own.external_id, min(o.source) as other_source, min(o.lead_id) as other_lead
  from own join lead o on o.tenant_id = :tenant_id and o.external_id = own.external_id and o.source <> own.source
 group by own.lead_id, own.source, own.external_id
 order by own.lead_id limit :limit;

-- name: leads_of(tenant_id, import_no)
-- The ids of the leads that an import brought.
select l.lead_id, l.source, l.external_id
  from lead_import_part p cross join lateral unnest(p.firsts, p.lasts) as r(first, last)
  join lead l on l.tenant_id = :tenant_id and l.lead_id between r.first and r.last
 where p.tenant_id = :tenant_id and p.import_no = :import_no;

-- name: values_seen(tenant_id, fields, since, limit)
-- The different values that leads which came since then have in these fields.
select distinct f.field, f.value
  from lead l
 cross join lateral (values ('source', l.source), ('region', l.region), ('industry', l.industry), ('product', l.product),
                            ('campaign', l.campaign), ('ad_id', l.ad_id), ('landing_page', l.landing_page)) f (field, value)
 where l.tenant_id = :tenant_id and l.received_at > clock_timestamp() - :since::interval
   and f.field = any(:fields::text[]) and f.value is not null
 limit :limit;

-- name: more_seen(tenant_id, with_company, names, since, limit)
-- The different values that leads which came since then have as their company and in these attributes (without one: null), as `more_facts`
-- has them; place = which of the names, counted from 1, 0 = the company.
select distinct f.place, f.value
  from lead l
 cross join lateral (
       select 0 as place, left(l.company, 1001) as value where :with_company::boolean
        union all
       select a.place::int, case jsonb_typeof(v.value) when 'string' then '"' || left(v.value #>> '{}', 1001) when 'null' then null
                                 else left(v.value::text, 1001) end
         from unnest(:names::text[]) with ordinality as a(name, place)
        cross join lateral (select l.attributes -> a.name as value) v) f
 where l.tenant_id = :tenant_id and l.received_at > clock_timestamp() - :since::interval and f.value is not null
 limit :limit;

-- name: phones_seen(tenant_id, since, limit)
-- A phone for each beginning of phones of leads that came since then: what shows the country.
select min(phone) from (
       select phone from lead
        where tenant_id = :tenant_id and received_at > clock_timestamp() - :since::interval and phone like '+%' limit :limit) l
 group by left(phone, 5);

-- name: attribute_names(tenant_id, since, leads)
-- The names of attributes that some of the leads which came since then have.
select distinct k.name
  from (select attributes from lead
         where tenant_id = :tenant_id and received_at > clock_timestamp() - :since::interval and jsonb_typeof(attributes) = 'object'
         limit :leads) l
 cross join lateral jsonb_object_keys(l.attributes) as k(name);

-- name: any_lead(tenant_id, since)
-- Whether a lead came since then.
select exists (select from lead where tenant_id = :tenant_id and received_at > clock_timestamp() - :since::interval);

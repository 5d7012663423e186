-- What leads say beyond what the lead pool holds, for rulesets that ask for it.

-- name: more_facts(tenant_id, lead_ids, with_company, with_phone, names)
-- What leads say of their company and phone, and in some of their attributes: JSON, but of texts one quote in front of them alone. Long ones are
-- cut off, behind one character more than a value of a rule can have.
select l.lead_id, l.company, l.phone, l.attributes
  from unnest(:lead_ids::bigint[]) as n(lead_id)
 cross join lateral (
       select lead.lead_id, case when :with_company::boolean then left(lead.company, 1001) end as company,
              case when :with_phone::boolean then lead.phone end as phone,
              array(select case jsonb_typeof(v.value) when 'string' then '"' || left(v.value #>> '{}', 1001)
                                when 'null' then null else left(v.value::text, 1001) end
                      from unnest(:names::text[]) as a(name)
                     cross join lateral (select lead.attributes -> a.name as value) v) as attributes
         from lead
        where lead.tenant_id = :tenant_id and lead.lead_id between n.lead_id and n.lead_id
        order by lead.lead_id) l;

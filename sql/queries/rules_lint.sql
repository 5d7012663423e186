-- name: values_seen(tenant_id, fields, since, limit)
-- The different values that leads which came since then have in these fields.
select distinct f.field, f.value
  from lead l
 cross join lateral (values ('source', l.source), ('region', l.region), ('industry', l.industry), ('product', l.product),
                            ('campaign', l.campaign), ('ad_id', l.ad_id), ('landing_page', l.landing_page)) f (field, value)
 where l.tenant_id = :tenant_id and l.received_at > clock_timestamp() - :since::interval
   and f.field = any(:fields::text[]) and f.value is not null
 limit :limit;

-- name: any_lead(tenant_id, since)
-- Whether a lead came since then.
select exists (select from lead where tenant_id = :tenant_id and received_at > clock_timestamp() - :since::interval);

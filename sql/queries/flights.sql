-- name: facts(tenant_id, lead_ids)
-- What arrived with these leads, for running a flight record again; also with those that were removed on purpose since.
select lead_id, created_at, nullif(source, ''), region, industry, product, campaign, ad_id, landing_page
  from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[])
union all
select lead_id, created_at, nullif(source, ''), region, industry, product, campaign, ad_id, landing_page
  from removed_lead where tenant_id = :tenant_id and lead_id = any(:lead_ids);

-- name: corrections(tenant_id, lead_ids)
-- What creation times and facts of these leads were up to which batch, before people corrected them; in the order of the batches.
select lead_id, batch_no, created_before, facts_before from lead_correction
 where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]) order by batch_no;

-- name: flight(tenant_id, batch_no)
-- One flight record.
select batch_no, at, ruleset, roster, rates, kind, leads, inputs from flight where tenant_id = :tenant_id and batch_no = :batch_no;

-- name: last(tenant_ids, of_each, limit)
-- The last flight records of each of some tenants, the youngest first.
select f.tenant_id, f.batch_no, f.at, f.ruleset, f.roster, f.rates, f.kind, f.inputs
  from lane t
 cross join lateral (select tenant_id, batch_no, at, ruleset, roster, rates, kind, inputs from flight
                      where flight.tenant_id = t.tenant_id order by batch_no desc limit :of_each) f
 where t.tenant_id = any(:tenant_ids::int[])
 order by f.at desc, f.tenant_id, f.batch_no desc limit :limit;

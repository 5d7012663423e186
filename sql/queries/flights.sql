-- name: facts(tenant_id, lead_ids)
-- What arrived with these leads, for running a flight record again.
select lead_id, created_at, nullif(source, ''), region, industry, product, campaign, ad_id, landing_page
  from lead where tenant_id = :tenant_id and lead_id = any(:lead_ids::bigint[]);

-- name: flight(tenant_id, batch_no)
-- One flight record.
select batch_no, at, ruleset, roster, rates, kind, leads, inputs from flight where tenant_id = :tenant_id and batch_no = :batch_no;

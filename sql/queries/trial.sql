-- name: match_rules(tenant_id)
-- By what the tenant's leads are known to be of one customer, as YAML; no row = the default.
select source from customer_rules where tenant_id = :tenant_id order by version desc limit 1;

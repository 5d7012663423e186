-- name: made_at(tenant_id, ruleset, roster, rates)
-- When these versions were made: a server that was put back gives their numbers again, to others.
select (select applied_at from ruleset where tenant_id = :tenant_id and version = :ruleset) as ruleset,
       (select at from roster_version where tenant_id = :tenant_id and version = :roster) as roster,
       (select as_of from rates where tenant_id = :tenant_id and version = :rates) as rates;

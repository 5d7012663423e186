-- name: add(name, time_zone)
-- Creates a tenant.
insert into tenant (name, time_zone) values (:name, :time_zone) returning tenant_id;

-- name: all()
-- Every tenant with its versions in force.
select tenant_id, name, time_zone, roster, ruleset, rates, created_at from tenant order by tenant_id;

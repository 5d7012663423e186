-- name: add(name, time_zone)
-- Creates a tenant; no row when the name is taken.
insert into tenant (name, time_zone) values (:name, :time_zone)
on conflict (name) do nothing
returning tenant_id, name, time_zone, roster, ruleset, rates;

-- name: add_lane(tenant_id)!
-- Creates the tenant's lane, without which nothing of it is ever drained.
insert into lane (tenant_id) values (:tenant_id) on conflict (tenant_id) do nothing;

-- name: by_name(name)
-- One tenant with its versions in force.
select tenant_id, name, time_zone, roster, ruleset, rates from tenant where name = :name;

-- name: by_number(tenant_id)
-- One tenant with its versions in force, by its number.
select tenant_id, name, time_zone, roster, ruleset, rates from tenant where tenant_id = :tenant_id;

-- name: all()
-- Every tenant with its versions in force.
select tenant_id, name, time_zone, roster, ruleset, rates, created_at from tenant order by tenant_id;

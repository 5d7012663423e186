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

-- name: rename(tenant_id, name)
-- Gives a tenant another name; no row when that is taken.
update tenant set name = :name where tenant_id = :tenant_id and not exists (select from tenant t where t.name = :name) returning name;

-- name: had_leads(tenant_id)
-- Whether a tenant has leads, or had any that a business day was asked for.
select exists (select from lead where tenant_id = :tenant_id) or exists (select from archived where tenant_id = :tenant_id)
    or exists (select from flight where tenant_id = :tenant_id and leads > 0);

-- name: set_zone(tenant_id, time_zone)!
-- Moves the business day of a tenant that has no leads.
update tenant set time_zone = :time_zone where tenant_id = :tenant_id;

-- name: hold(tenant_id)
-- The tenant, locked until the transaction ends.
select tenant_id from tenant where tenant_id = :tenant_id for update;

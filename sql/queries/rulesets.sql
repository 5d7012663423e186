-- name: lock_tenant(tenant_id)
-- The right to change the tenant's rules: whoever holds this row's lock, until the transaction ends.
select tenant_id, ruleset, time_zone from tenant where tenant_id = :tenant_id for no key update;

-- name: tenant(tenant_id)
-- The version in force and the zone that rules are read in.
select tenant_id, ruleset, time_zone from tenant where tenant_id = :tenant_id;

-- name: version(tenant_id, version)
-- One version of a tenant's rules, with the zone that they are read in.
select r.version, r.applied_at, r.author, r.note, r.source, r.lists, r.synonyms, t.time_zone
  from ruleset r join tenant t on t.tenant_id = r.tenant_id
 where r.tenant_id = :tenant_id and r.version = :version;

-- name: last_version(tenant_id)
-- The highest version that the tenant's rules ever had.
select coalesce(max(version), 0) from ruleset where tenant_id = :tenant_id;

-- name: history(tenant_id, before, limit)
-- The versions of a tenant's rules below one (null = all), the last one first.
select version, applied_at, author, note from ruleset
 where tenant_id = :tenant_id and (:before::int is null or version < :before) order by version desc limit :limit;

-- name: add(tenant_id, version, author, note, source, lists, synonyms)!
-- Stores a version of a tenant's rules, for good.
insert into ruleset (tenant_id, version, author, note, source, lists, synonyms)
values (:tenant_id, :version, :author, :note, :source, :lists::jsonb, :synonyms::jsonb);

-- name: put_in_force(tenant_id, version)!
-- Makes a version the one in force; the drain takes it with its next batch.
update tenant set ruleset = :version where tenant_id = :tenant_id;

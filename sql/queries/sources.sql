-- name: add(tenant_id, name, kind, definition, created_by)
-- Stores a source; no row where the name is taken.
insert into source (tenant_id, name, kind, definition, created_by)
values (:tenant_id, :name, :kind, :definition, :created_by)
on conflict do nothing returning name;

-- name: change(tenant_id, name, definition)
-- Gives a source another definition.
update source set definition = :definition, changed_at = statement_timestamp()
 where tenant_id = :tenant_id and name = :name;

-- name: remove(tenant_id, name)
-- Removes a source with its keys, secrets and rejects.
delete from source where tenant_id = :tenant_id and name = :name;

-- name: add_key(tenant_id, source, key)
-- A key for the address of a source.
insert into source_key (tenant_id, source, key) values (:tenant_id, :source, :key);

-- name: end_keys(tenant_id, source, holds)
-- Keys that hold without end end after a while.
update source_key set until = statement_timestamp() + :holds
 where tenant_id = :tenant_id and source = :source
   and (until is null or until > statement_timestamp() + :holds);

-- name: add_secret(tenant_id, source, secret)
-- A secret of a webhook.
insert into source_secret (tenant_id, source, secret) values (:tenant_id, :source, :secret);

-- name: end_secrets(tenant_id, source, holds)
-- Secrets that hold without end end after a while.
update source_secret set until = statement_timestamp() + :holds
 where tenant_id = :tenant_id and source = :source
   and (until is null or until > statement_timestamp() + :holds);

-- name: forget_ended(tenant_id, source)
-- Deletes secrets that hold no more.
delete from source_secret where tenant_id = :tenant_id and source = :source and until <= statement_timestamp();

-- name: opened_by(tenant_id, key)
-- The source that a key opens now.
select s.tenant_id, s.name, s.kind, s.definition, s.created_by, s.created_at, s.changed_at, s.taken, s.refused,
       s.trapped, s.last_at
  from source_key k join source s on s.tenant_id = k.tenant_id and s.name = k.source
 where k.tenant_id = :tenant_id and k.key = :key and (k.until is null or k.until > clock_timestamp());

-- name: named(tenant_id, name)
-- One source.
select tenant_id, name, kind, definition, created_by, created_at, changed_at, taken, refused, trapped, last_at
  from source where tenant_id = :tenant_id and name = :name;

-- name: all(tenant_id)
-- The sources of a tenant.
select tenant_id, name, kind, definition, created_by, created_at, changed_at, taken, refused, trapped, last_at
  from source where tenant_id = :tenant_id order by name;

-- name: with_zones(tenant_ids)
-- The sources of these tenants whose file may have a time zone.
select tenant_id, name, kind, definition, created_by, created_at, changed_at, taken, refused, trapped, last_at
  from source where tenant_id = any(:tenant_ids::int[]) and definition like '%time_zone%' order by tenant_id, name;

-- name: keys(tenant_id, source)
-- The keys that open a source, the newest first.
select key, until from source_key
 where tenant_id = :tenant_id and source = :source and (until is null or until > clock_timestamp())
 order by created_at desc;

-- name: secrets(tenant_id, source)
-- The secrets that hold, the newest first.
select secret, created_at, until from source_secret
 where tenant_id = :tenant_id and source = :source and (until is null or until > clock_timestamp())
 order by number desc;

-- name: rejects(tenant_id, source)
-- What a source refused lately, the newest first.
select at, status, reason, sent_id, body_hash, bytes from source_reject
 where tenant_id = :tenant_id and source = :source order by number desc;

-- name: count(tenant_id, names, taken, refused, trapped)
-- Adds to the counts of a tenant's sources; whoever calls it has them in order.
update source s
   set taken = s.taken + n.taken, refused = s.refused + n.refused, trapped = s.trapped + n.trapped,
       last_at = statement_timestamp()
  from (select l.name, n.taken, n.refused, n.trapped
          from unnest(:names::text[], :taken::bigint[], :refused::bigint[], :trapped::bigint[]) as n(name, taken, refused, trapped)
          join source l on l.tenant_id = :tenant_id and l.name = n.name
         order by l.name
           for no key update of l) as n
 where s.tenant_id = :tenant_id and s.name = n.name;

-- name: put_rejects(tenant_ids, names, moments, statuses, reasons, sent_ids, hashes, sizes)
-- Stores refused requests of sources that are there.
insert into source_reject (tenant_id, source, at, status, reason, sent_id, body_hash, bytes)
select s.tenant_id, s.name, n.at, n.status, n.reason, n.sent_id, n.body_hash, n.bytes
  from unnest(:tenant_ids::int[], :names::text[], :moments::timestamptz[], :statuses::smallint[], :reasons::text[],
              :sent_ids::text[], :hashes::bytea[], :sizes::int[])
       as n(tenant_id, name, at, status, reason, sent_id, body_hash, bytes)
  join source s on s.tenant_id = n.tenant_id and s.name = n.name
 order by n.at;

-- name: trim_rejects(tenant_id, source, kept)
-- Keeps the last refused requests of a source; those that nobody had to believe (401) push out no others.
delete from source_reject r
 where r.tenant_id = :tenant_id and r.source = :source
   and r.number <= (select b.number from source_reject b
                     where b.tenant_id = :tenant_id and b.source = :source and (b.status = 401) = (r.status = 401)
                     order by b.number desc offset :kept limit 1);

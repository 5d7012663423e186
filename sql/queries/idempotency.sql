-- name: stored_keys(tenant_id, route, keys)
-- What is stored under those keys and has not expired; ord counts from 1 in the array.
select named.ord, stored.body_hash, stored.answer
  from unnest(:keys::text[]) with ordinality as named(key, ord)
 cross join lateral (
       select body_hash, answer from idempotency
        where tenant_id = :tenant_id and route = :route and key between named.key and named.key and expires_at > clock_timestamp()
        order by key limit 1) as stored;

-- name: put_keys(tenant_id, route, keys, body_hashes, lead_ids, answers, holds_s)!
-- Stores keys in one order for everybody, also in the place of expired ones; touches fewer rows than it is given when another process was faster.
insert into idempotency (tenant_id, route, key, body_hash, lead_id, answer, expires_at)
select :tenant_id, :route, named.key, named.body_hash, named.lead_id, named.answer,
       statement_timestamp() + make_interval(secs => :holds_s::float8)
  from unnest(:keys::text[], :body_hashes::bytea[], :lead_ids::bigint[], :answers::bytea[]) as named(key, body_hash, lead_id, answer)
 order by named.key
    on conflict (tenant_id, route, key) do update
   set body_hash = excluded.body_hash, lead_id = excluded.lead_id, answer = excluded.answer, expires_at = excluded.expires_at
 where idempotency.expires_at <= (excluded.expires_at at time zone 'UTC' - make_interval(secs => :holds_s)) at time zone 'UTC';

-- name: delete_expired(tenant_id, limit)!
-- Deletes expired keys of a tenant, so many at most, and passes over those that somebody holds.
delete from idempotency
 where ctid = any(array(
       select ctid from idempotency
        where tenant_id = :tenant_id and expires_at <= statement_timestamp()
        order by expires_at
        limit :limit
          for update skip locked));

-- name: create(tenant_id, token_id, name, role, rep_id, hash, created_by, expires_at)
-- Stores a token, of which only the hash is known here.
insert into token (tenant_id, token_id, name, role, rep_id, hash, created_by, expires_at)
values (:tenant_id, :token_id, :name, :role, :rep_id, :hash, :created_by, :expires_at)
returning tenant_id, token_id, name, role, rep_id, hash, created_by, created_at, expires_at, used_at, revoked_at;

-- name: named(tenant_id, token_id)
-- One token.
select tenant_id, token_id, name, role, rep_id, hash, created_by, created_at, expires_at, used_at, revoked_at
  from token where tenant_id = :tenant_id and token_id = :token_id;

-- name: all(tenant_id)
-- The tokens of a tenant, or all of them (null).
select tenant_id, token_id, name, role, rep_id, hash, created_by, created_at, expires_at, used_at, revoked_at
  from token where :tenant_id::int is null or tenant_id = :tenant_id order by tenant_id, created_at, token_id;

-- name: that_hold(tenant_ids, token_ids)
-- Which of these tokens hold now.
select t.tenant_id, t.token_id
  from unnest(:tenant_ids::int[], :token_ids::text[]) as named(tenant_id, token_id)
  join token t on t.tenant_id = named.tenant_id and t.token_id = named.token_id
 where t.revoked_at is null and (t.expires_at is null or t.expires_at > clock_timestamp());

-- name: revoke(tenant_id, token_id)
-- Ends a token, once.
update token set revoked_at = statement_timestamp()
 where tenant_id = :tenant_id and token_id = :token_id and revoked_at is null
returning name;

-- name: used(tenant_id, token_ids, moments)!
-- Notes when a tenant's tokens were used, and passes over those that somebody is changing.
update token set used_at = used.at
  from (select t.token_id, u.at
          from unnest(:token_ids::text[], :moments::timestamptz[]) as u(token_id, at)
          join token t on t.tenant_id = :tenant_id and t.token_id = u.token_id
         where t.used_at is null or t.used_at < u.at
           for no key update of t skip locked) as used
 where token.tenant_id = :tenant_id and token.token_id = used.token_id;

-- name: any_for_all()
-- Whether there is a token that holds now.
select exists (select from token where revoked_at is null and (expires_at is null or expires_at > clock_timestamp()));

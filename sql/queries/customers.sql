-- name: new_customer_ids(n)
-- Numbers for new customers, ascending.
select nextval('customer_id_seq') from generate_series(1, :n::int);

-- name: customers_of_keys(tenant_id, keys)
-- What is known of the keys that are stored; ord counts from 1 in the array.
select named.ord, stored.customer_id, stored.people, stored.shared_as
  from unnest(:keys::uuid[]) with ordinality as named(key, ord)
 cross join lateral (
       select customer_id, people, shared_as from customer_key where tenant_id = :tenant_id and key = named.key limit 1) as stored;

-- name: hold_keys(tenant_id, keys, customer_ids, people, shared_as)!
-- Adds the keys that are new and locks those that are there, in one order for everybody, so that intakes of one customer take turns and cannot deadlock.
insert into customer_key (tenant_id, key, customer_id, people, shared_as, shared_at)
select :tenant_id, named.key, named.customer_id, named.people::bigint[], named.shared_as,
       case when named.shared_as is not null then statement_timestamp() end
  from unnest(:keys::uuid[], :customer_ids::bigint[], :people::text[], :shared_as::text[]) as named(key, customer_id, people, shared_as)
 order by named.key
    on conflict (tenant_id, key) do update set customer_id = excluded.customer_id where false;

-- name: correct_keys(tenant_id, keys, customer_ids, people, shared_as)!
-- Writes what has changed of keys that this transaction holds: people, sharing, and the customer when a concurrent intake knew more.
insert into customer_key (tenant_id, key, customer_id, people, shared_as, shared_at)
select :tenant_id, named.key, named.customer_id, named.people::bigint[], named.shared_as,
       case when named.shared_as is not null then statement_timestamp() end
  from unnest(:keys::uuid[], :customer_ids::bigint[], :people::text[], :shared_as::text[]) as named(key, customer_id, people, shared_as)
    on conflict (tenant_id, key) do update set customer_id = excluded.customer_id, people = excluded.people, shared_as = excluded.shared_as,
       shared_at = case when excluded.shared_as is not null then coalesce(customer_key.shared_at, excluded.shared_at) end;

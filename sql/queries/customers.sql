-- name: customers_of_keys(tenant_id, keys)
-- What is known of the keys that are stored; ord counts from 1 in the array.
select named.ord, stored.customer_id, stored.people, stored.shared_as
  from unnest(:keys::uuid[]) with ordinality as named(key, ord)
 cross join lateral (
       select customer_id, people, shared_as from customer_key
        where tenant_id = :tenant_id and key between named.key and named.key order by key limit 1) as stored;

-- name: look_up_keys(tenant_id, keys)
-- As `customers_of_keys`, outside of the intake.
select named.ord, stored.customer_id, stored.people, stored.shared_as
  from unnest(:keys::uuid[]) with ordinality as named(key, ord)
  join customer_key stored on stored.tenant_id = :tenant_id and stored.key = named.key;

-- name: hold_keys(tenant_id, keys)
-- Locks keys that are stored, in the order of the array, and says what is known of them once they are locked; ord counts from 1 in the array.
select named.ord, stored.customer_id, stored.people, stored.shared_as
  from unnest(:keys::uuid[]) with ordinality as named(key, ord)
 cross join lateral (
       select customer_id, people, shared_as from customer_key
        where tenant_id = :tenant_id and key between named.key and named.key order by key limit 1 for no key update) as stored;

-- name: add_keys(tenant_id, keys, customer_ids, people, shared_as, shared_at)!
-- Adds keys that are new, in the order of the array; for few of them, COPY does the same for many.
insert into customer_key (tenant_id, key, customer_id, people, shared_as, shared_at)
select :tenant_id, named.key, named.customer_id, named.people::bigint[], named.shared_as,
       case when named.shared_as is not null then :shared_at::timestamptz end
  from unnest(:keys::uuid[], :customer_ids::bigint[], :people::text[], :shared_as::text[]) as named(key, customer_id, people, shared_as);

-- name: change_keys(tenant_id, keys, customer_ids, people, shared_as, shared_at)!
-- Writes what has changed of keys that this transaction holds: people, sharing, and the customer of one that had none. By place, since
-- they are held and cannot have moved.
update customer_key
   set customer_id = named.customer_id, people = named.people::bigint[], shared_as = named.shared_as,
       shared_at = case when named.shared_as is not null then coalesce(customer_key.shared_at, :shared_at::timestamptz) end
  from unnest(:keys::uuid[], :customer_ids::bigint[], :people::text[], :shared_as::text[]) as named(key, customer_id, people, shared_as)
 cross join lateral (
       select ctid as place from customer_key
        where tenant_id = :tenant_id and key between named.key and named.key order by key limit 1) as at
 where customer_key.ctid = at.place;

-- name: new_customers(customers)
-- Numbers for new customers, ascending.
select array(select nextval('customer_id_seq') from generate_series(1, :customers::int));

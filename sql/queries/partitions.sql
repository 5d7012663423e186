-- name: utc()
-- Until the transaction ends: times are shown in one way.
select set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true);

-- name: partitions(parent)
-- The partitions of a table, their bounds as text, and whether one was on its way out when somebody was interrupted.
select c.relname::text as name, pg_get_expr(c.relpartbound, c.oid) as bound, i.inhdetachpending as pending
  from pg_inherits i join pg_class c on c.oid = i.inhrelid
 where i.inhparent = to_regclass(:parent::text) order by c.relname;

-- name: detached(parent)
-- Tables that were partitions of this one, that we let go, and that were not dropped yet.
select c.relname::text as name from pg_class c
 where c.relnamespace = (select relnamespace from pg_class where oid = to_regclass(:parent::text)) and c.relkind = 'r'
   and c.relname ~ ('^' || :parent || '_p[0-9]{8}$') and not exists (select from pg_inherits i where i.inhrelid = c.oid)
   and obj_description(c.oid, 'pg_class') = 'lead-router: to be dropped'
 order by c.relname;

-- name: oldest_flight_of_all()
-- The time of the oldest flight record of any tenant: assignments that ended later are needed to compare it with. About all tenants.
select min(f.at) from lane t
 cross join lateral (select at from flight where flight.tenant_id = t.tenant_id order by batch_no limit 1) f;

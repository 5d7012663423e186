-- name: known(journal_id)
-- Whether this database knows a journal. Truly about all tenants.
select exists (select from journal where tenant_id = 0 and journal_id = :journal_id);

-- name: report_file(journal_id, instance, host, file, bytes, maximum_bytes, maximum_leads, refuses)
-- What an instance says of its journal, with which the database knows it. Truly about all tenants.
insert into journal (tenant_id, journal_id, instance, host, file, bytes, maximum_bytes, maximum_leads, refuses, seen_at)
values (0, :journal_id, :instance, :host, :file, :bytes, :maximum_bytes, :maximum_leads, :refuses, clock_timestamp())
    on conflict (tenant_id, journal_id) do update
   set instance = excluded.instance, host = excluded.host, file = excluded.file, bytes = excluded.bytes,
       maximum_bytes = excluded.maximum_bytes, maximum_leads = excluded.maximum_leads, refuses = excluded.refuses,
       seen_at = excluded.seen_at
returning journal_id;

-- name: drained_to(journal_id)
-- How far each tenant's part of a journal is drained. Truly about all tenants.
select tenant_id, drained_to from journalled where journal_id = :journal_id;

-- name: report_leads(journal_id, tenant_ids, taken, leads, set_aside, oldest, reasons)!
-- What a journal holds of each tenant; leads that were given up and are there after all are not given up. Truly about several tenants.
insert into journalled (tenant_id, journal_id, taken, leads, set_aside, oldest_at, reason)
select r.tenant_id, :journal_id, r.taken, r.leads, r.set_aside, r.oldest_at, r.reason
  from unnest(:tenant_ids::int[], :taken::bigint[], :leads::bigint[], :set_aside::bigint[], :oldest::timestamptz[], :reasons::text[])
       as r(tenant_id, taken, leads, set_aside, oldest_at, reason)
    on conflict (tenant_id, journal_id) do update
   set taken = excluded.taken, leads = excluded.leads, set_aside = excluded.set_aside, oldest_at = excluded.oldest_at,
       reason = excluded.reason,
       given_up = greatest(0, least(journalled.given_up, excluded.taken - journalled.drained - excluded.leads - excluded.set_aside));

-- name: begin_books(journal_id)!
-- The books of a journal that is adopted add up: what it took and does not hold was drained. Truly about all tenants.
update journalled set drained = taken - leads - set_aside - given_up where journal_id = :journal_id;

-- name: hold(tenant_id, journal_id)
-- How far a tenant's part of a journal is drained, also one that was not reported yet; no other process drains it until the transaction ends.
insert into journalled (tenant_id, journal_id) values (:tenant_id, :journal_id)
    on conflict (tenant_id, journal_id) do update set drained_to = journalled.drained_to
returning drained_to;

-- name: drained(tenant_id, journal_id, drained, drained_to, taken, leads, set_aside, oldest)!
-- So many more leads of a journal are in the database, up to that number; and what is left in it.
update journalled
   set drained = journalled.drained + :drained::bigint, drained_to = greatest(journalled.drained_to, :drained_to::bigint),
       taken = :taken, leads = :leads, set_aside = :set_aside, oldest_at = :oldest
 where tenant_id = :tenant_id and journal_id = :journal_id;

-- name: holdings(tenant_ids)
-- What journals hold of these tenants, most leads first.
select tenant_id, journal_id, leads, set_aside, oldest_at, reason from journalled
 where tenant_id = any(:tenant_ids::int[]) and leads + set_aside > 0
 order by tenant_id, leads + set_aside desc, journal_id;

-- name: files()
-- The journals that are known, and what their instances said of them last. Truly about all tenants.
select journal_id, instance, host, file, bytes, maximum_bytes, maximum_leads, refuses, seen_at from journal
 where tenant_id = 0 order by instance, journal_id;

-- name: give_up(journal_id)
-- The file of a journal is lost: what it held is given up; not where that changes at this moment. Truly about all tenants.
with held as (select tenant_id, leads + set_aside as lost from journalled where journal_id = :journal_id and leads + set_aside > 0)
update journalled t set given_up = t.given_up + held.lost, leads = 0, set_aside = 0, oldest_at = null, reason = ''
  from held where t.tenant_id = held.tenant_id and t.journal_id = :journal_id and t.leads + t.set_aside = held.lost
returning t.tenant_id, held.lost;

-- name: only_read(statement_timeout)
-- For this transaction: nothing can be written, and nothing takes longer than this.
select set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :statement_timeout, true);

-- name: columns(schema, name)
-- Columns and types of a view or table of any database, as the names are spelled; schema null = by the search path.
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type
  from pg_attribute a
 where a.attrelid = to_regclass(coalesce(quote_ident(:schema::text) || '.', '') || quote_ident(:name::text))
   and a.attnum > 0 and not a.attisdropped;

-- name: try_lock(lock_class, tenant_id)
-- The right to sync this tenant's roster until the transaction ends; false when another instance does it now.
select pg_try_advisory_xact_lock(:lock_class::int, :tenant_id::int);

-- name: last(tenant_id)
-- How the last sync went, and the time now.
select s.tried_at, s.columns, s.problem, s.warnings, clock_timestamp() as now
  from (select) one left join roster_sync s on s.tenant_id = :tenant_id;

-- name: put_taken(tenant_id, at, columns, warnings, warning_parts)!
-- Records that the view was taken.
insert into roster_sync (tenant_id, tried_at, taken_at, columns, warnings, warning_parts)
values (:tenant_id, :at, :at, :columns::jsonb, :warnings::text[], :warning_parts::text::jsonb)
on conflict (tenant_id) do update
   set tried_at = excluded.tried_at, taken_at = excluded.taken_at, columns = excluded.columns, problem = '',
       problem_parts = null, warnings = excluded.warnings, warning_parts = excluded.warning_parts;

-- name: put_problem(tenant_id, at, problem, problem_parts)!
-- Records why nothing was taken.
insert into roster_sync (tenant_id, tried_at, problem, problem_parts) values (:tenant_id, :at, :problem, :problem_parts::text::jsonb)
on conflict (tenant_id) do update
   set tried_at = excluded.tried_at, problem = excluded.problem, problem_parts = excluded.problem_parts;

-- name: held(tenant_ids)
-- Active reps whose availability is not understood, and until when the last known one holds.
select w.tenant_id, r.rep_id, w.available, w.availability_held_until
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = any(:tenant_ids::int[]) and w.to_version is null and w.active and w.availability_held_until is not null
 order by w.tenant_id, r.rep_id;

-- name: cleaning()
-- What scripts did in turns by now: turns, times that it was not now, rows.
select coalesce(sum(turns), 0)::bigint as turns, coalesce(sum(refusals), 0)::bigint as refusals, coalesce(sum(removed), 0)::bigint as removed
  from maintenance_run;

-- name: forget_runs()!
-- As if nobody had cleaned.
delete from maintenance_run;

-- name: make_table()!
-- A table of the CRM's own beside ours.
create table crm_lead (
    id bigint generated always as identity primary key, lead_id bigint, created_at timestamptz not null, name text, phone text, note text);

-- name: make_index()!
-- By which the printed procedure finds what is old.
create index crm_lead_created_at on crm_lead (created_at);

-- name: add_old(rows)!
-- Leads of the CRM that are older than 90 days.
insert into crm_lead (created_at, name, phone, note)
select now() - interval '100 days' - n * interval '1 s', 'Customer ' || n, '+86138' || lpad(n::text, 8, '0'), repeat('asked for a quote; ', 5)
  from generate_series(1, :rows::bigint) n;

-- name: add_new(tenant_id)!
-- The CRM's rows of all leads that wait.
insert into crm_lead (lead_id, created_at, name) select lead_id, now(), 'New ' || lead_id from lead_pool where tenant_id = :tenant_id;

-- name: old()
-- How many old rows are left.
select count(*) from crm_lead where created_at < now() - interval '90 days';

-- name: lock_all()
-- What the script of the original case did first: the CRM's rows, and of the leads that wait every other one.
select (select count(*) from (select from crm_lead for update) a) as own,
       (select count(*) from (select from lead_pool where lead_id % 2 = 0 for update) b) as leads;

-- name: delete_old()!
-- All at once.
delete from crm_lead where created_at < now() - interval '90 days';

-- name: cleaning()
-- What the gated script did by now: turns, times that it was not now, rows.
select coalesce(sum(turns), 0)::bigint as turns, coalesce(sum(refusals), 0)::bigint as refusals, coalesce(sum(removed), 0)::bigint as removed
  from maintenance_run;

-- name: forget_runs()!
-- As if nobody had cleaned.
truncate maintenance_run;

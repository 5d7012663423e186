-- name: fill_leads(tenant_id, first, last, customers, region)!
-- Leads of `make bench`: of three, one with a customer who has an owner, one with a new customer, one with none. With a
-- region all are of that region and nobody's customers.
insert into lead (tenant_id, source, external_id, created_at, received_at, customer_id, region, industry, product, campaign,
                  ad_id, landing_page)
select :tenant_id::int, 'web', coalesce(:region::text, 'b') || n, now() - interval '1 minute', now() - interval '1 minute',
       case when :region::text is not null then null else case n % 3 when 0 then 1 + n / 3 % :customers::int when 1 then 1000000000 + n end end,
       coalesce(:region::text, 'region' || n % 23), case when n % 5 > 0 then 'industry' || n % 11 end, 'product' || n % 17,
       case when n % 4 = 0 then 'campaign' || n % 29 end, null, case when n % 2 = 0 then '/landing/' || n % 13 end
  from generate_series(:first::int, :last::int) n;

-- name: fill_pool(tenant_id, after, limit)
-- Puts so many leads of a tenant, those after a number, into the pool as intake does; answers the last one's number.
with arrived as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                           ad_id, landing_page)
    select tenant_id, lead_id, -priority, received_at, created_at, customer_id, source, region, industry, product, campaign, ad_id,
           landing_page
      from lead where tenant_id = :tenant_id and lead_id > :after order by lead_id limit :limit
    returning lead_id)
select max(lead_id) from arrived;

-- name: arrive_now(tenant_id, after, limit)
-- As `fill_pool`, queued at this moment.
with arrived as (
    insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at, customer_id, source, region, industry, product, campaign,
                           ad_id, landing_page)
    select tenant_id, lead_id, -priority, clock_timestamp(), created_at, customer_id, source, region, industry, product, campaign, ad_id,
           landing_page
      from lead where tenant_id = :tenant_id and lead_id > :after order by lead_id limit :limit
    returning lead_id)
select max(lead_id) from arrived;

-- name: fill_owners(tenant_id, customers, rep_nos)!
-- Gives each known customer an owner, the reps in turn.
insert into customer_owner (tenant_id, customer_id, rep_no)
select :tenant_id::int, n, (:rep_nos::int[])[1 + n % cardinality(:rep_nos::int[])] from generate_series(1, :customers::int) n;

-- name: forget_results()!
-- All leads are undecided again; leads, reps, rules and tenants stay.
do $$ begin
    truncate lead_pool, assignment, parked, closed, merged, flight, wake_key, lane_inbox, rep_load,
             group_share, customer_owner, event, event_feed;
    update lane set batch_no = 0, state_token = 0, last_at = '-infinity', latest_at = '-infinity', next_visit_at = null, next_wake_key = 1;
end $$;

-- name: last_lead(tenant_id)
-- A tenant's last lead, and how many there are that somebody can take.
select coalesce(max(lead_id), 0) as last, count(*) filter (where external_id like 'b%') as leads from lead where tenant_id = :tenant_id;

-- name: settle()!
-- Before a measurement: written pages do not fall into it.
checkpoint;

-- name: fill_history(tenant_id, first, last, rep_nos)!
-- Ended assignments of earlier days, a thousand of each batch, of the tenant's leads in turn (their numbers have no gaps).
insert into assignment_history (tenant_id, lead_id, rep_no, customer_id, assigned_at, batch_no, seq, rule_no, group_no, ended_at, outcome)
select :tenant_id::int, l.first + n % l.leads, (:rep_nos::int[])[1 + n % cardinality(:rep_nos::int[])], null,
       now() - interval '40 days' + n * interval '0.2 s', 1 + n / 1000, n % 1000, 1, null, now() - interval '39 days' + n * interval '0.2 s',
       'returned'
  from generate_series(:first::int, :last::int) n
 cross join (select min(lead_id) as first, count(*) as leads from lead where tenant_id = :tenant_id) l;

-- name: written()
-- Bytes of write-ahead log so far.
select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint;

-- name: assigned_after(tenant_id, source)
-- Seconds from the commit of a lead to the commit of its assignment; needs track_commit_timestamp.
select extract(epoch from pg_xact_commit_timestamp(a.xmin) - pg_xact_commit_timestamp(l.xmin))::float8 as seconds
  from assignment a join lead l on l.tenant_id = a.tenant_id and l.lead_id = a.lead_id
 where a.tenant_id = :tenant_id and l.source = :source order by 1;

-- name: posted(tenant_id, source, first, last)
-- How many leads of a source are stored whose external ids lie between two.
select count(*) from lead where tenant_id = :tenant_id and source = :source and external_id between :first and :last;

-- name: assignments_committed(tenant_id, source, external_ids)
-- When leads' assignments were committed, in seconds since 1970; needs track_commit_timestamp.
select l.external_id, extract(epoch from pg_xact_commit_timestamp(a.xmin))::float8 as at
  from lead l join assignment a on a.tenant_id = l.tenant_id and a.lead_id = l.lead_id
 where l.tenant_id = :tenant_id and l.source = :source and l.external_id = any(:external_ids::text[]);

-- name: pool_rows_deleted()
-- Rows of the pool that were deleted or updated so far.
select n_tup_del + n_tup_upd from pg_stat_user_tables where relname = 'lead_pool';

-- name: pool_rows_locked(tenant_id)
-- Rows of the pool that somebody has locked since they were written.
select count(*) from lead_pool where tenant_id = :tenant_id and xmax <> 0;

-- name: lock_half(tenant_id)
-- Locks every other ready lead, as a foreign script does.
select count(*) from (
    select from lead_pool where tenant_id = :tenant_id and wake_key = 0 and lead_id % 2 = 0 for update) as locked;

-- name: waits(tenant_ids)
-- Whether a ready lead of these tenants is left.
select exists (select from unnest(:tenant_ids::int[]) as t(id)
                where exists (select from lead_pool p where p.tenant_id = t.id and p.wake_key = 0));

-- name: copy_tenant(tenant_id, name)
-- Another tenant with the same roster and rules, and no leads.
with made as (
    insert into tenant (name, time_zone, roster, ruleset) select :name::text, time_zone, roster, ruleset from tenant where tenant_id = :tenant_id
    returning tenant_id),
lanes as (insert into lane (tenant_id) select tenant_id from made),
groups as (insert into grp select made.tenant_id, group_no, g.name from grp g, made where g.tenant_id = :tenant_id),
reps as (insert into rep select made.tenant_id, rep_no, rep_id from rep r, made where r.tenant_id = :tenant_id),
versions as (
    insert into roster_version select made.tenant_id, version, at, author, note from roster_version v, made where v.tenant_id = :tenant_id),
rules as (
    insert into ruleset select made.tenant_id, version, applied_at, author, note, source, lists from ruleset r, made
     where r.tenant_id = :tenant_id),
rows as (
    insert into rep_row (tenant_id, rep_no, from_version, name, time_zone, working_hours, groups, regions, industries, weight_milli,
                         max_open, max_per_day)
    select made.tenant_id, rep_no, from_version, r.name, r.time_zone, working_hours, groups, regions, industries, weight_milli, max_open,
           max_per_day
      from rep_row r, made where r.tenant_id = :tenant_id and to_version is null)
select tenant_id from made;

-- name: some_leads(tenant_id, limit)
-- Leads all over a tenant, for asking why.
select lead_id from lead where tenant_id = :tenant_id order by lead_id * 2654435761 % 4294967296 limit :limit;

-- name: rep_numbers(tenant_id)
-- The numbers of a tenant's reps.
select rep_no from rep where tenant_id = :tenant_id order by rep_no;

-- name: routing_since(since)
-- How many processes that began to route after a moment (in seconds since 1970) have given a sign of life. Truly about all tenants.
select count(*) from process where tenant_id = 0 and ended_at is null and started_at > to_timestamp(:since::float8);

-- name: committed_now()
-- The server's clock, in seconds since 1970.
select extract(epoch from clock_timestamp())::float8;

-- name: assigned_between(tenant_id, first, last)
-- How many leads after one number and up to another have a rep.
select count(*) from assignment where tenant_id = :tenant_id and lead_id > :first and lead_id <= :last;

-- name: last_commit(tenant_id, first, last)
-- When the last assignment of these leads was committed, in seconds since 1970; needs track_commit_timestamp.
select extract(epoch from max(pg_xact_commit_timestamp(xmin)))::float8
  from (select distinct a.xmin from assignment a
         where a.tenant_id = :tenant_id and a.lead_id > :first and a.lead_id <= :last) batches;

-- name: numbers_of(tenant_id, source)
-- The first and the last number of a source's leads.
select min(lead_id) as first, max(lead_id) as last from lead where tenant_id = :tenant_id and source = :source;

-- name: fill_closed(tenant_id, first, last, days)!
-- Leads that were closed so many days ago.
with old as (
    insert into lead (tenant_id, source, external_id, created_at, received_at, customer_id, name, phone, region, industry, product)
    select :tenant_id::int, 'old', 'o' || n, t.at, t.at, 2000000000 + n / 3, 'Customer ' || n, '+8613' || 100000000 + n, 'region' || n % 23,
           'industry' || n % 11, 'product' || n % 17
      from generate_series(:first::int, :last::int) n
     cross join (select now() - make_interval(days => :days::int) as at) t
    returning lead_id, created_at)
insert into closed (tenant_id, lead_id, closed_at, outcome)
select :tenant_id, lead_id, created_at + interval '1 hour', case when lead_id % 5 = 0 then 'won' else 'lost' end from old;

-- name: sizes_with_indexes()
-- Bytes of each of our tables with its indexes and TOAST; partitions count for their table.
select root.relname::text as name, sum(pg_total_relation_size(c.oid))::int8 as bytes
  from pg_class c
  join pg_class root on root.oid = coalesce(pg_partition_root(c.oid), c.oid)
 where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
 group by root.relname;

-- name: assigned_leads(tenant_id)
-- The leads that reps have.
select lead_id from assignment where tenant_id = :tenant_id order by lead_id;

-- name: fill_console_leads(tenant_id, first, last, leads)!
-- Leads of a tenant as a CRM has them after a quarter of a year: with names, phones, e-mail addresses and five sources, one after the other in time.
insert into lead (tenant_id, source, external_id, created_at, received_at, name, phone, email, company, customer_id, region, industry, product, campaign)
select :tenant_id::int, (array['web', 'wechat', 'fair', 'ads', 'phone'])[1 + n % 5], 'h' || n, t.at, t.at, 'Person ' || n, '+86138' || 10000000 + n,
       'person' || n || '@example' || n % 5000 || '.com', 'Company ' || n % 5000, 3000000000 + n / 2, 'region' || n % 23, 'industry' || n % 11,
       'product' || n % 17, case when n % 4 = 0 then 'campaign' || n % 29 end
  from generate_series(:first::int, :last::int) n
 cross join lateral (select now() - interval '90 days' * (1 - n::float8 / :leads::int) - interval '2 hours' as at) t;

-- name: fill_console_states(tenant_id, rep_nos, groups)!
-- Of the leads that are there, a fifth closed, some merged or parked, the others assigned to the reps in turn; by batches whose records are gone.
with placed as (
    select lead_id, received_at, lead_id % 100 as part, (:rep_nos::int[])[1 + lead_id % cardinality(:rep_nos::int[])] as rep_no,
           1 + lead_id / 1000 as batch_no, lead_id % 1000 as seq, 1 + lead_id % :groups::int as group_no
      from lead where tenant_id = :tenant_id),
assigned as (
    insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq, rule_no, group_no)
    select :tenant_id, lead_id, rep_no, received_at + interval '1 s', batch_no, seq, 1, group_no from placed where part >= 23),
over as (
    insert into closed (tenant_id, lead_id, closed_at, outcome)
    select :tenant_id, lead_id, received_at + interval '1 h', case when part < 5 then 'won' else 'lost' end from placed where part < 20),
ended as (
    insert into assignment_history (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq, rule_no, group_no, ended_at, outcome)
    select :tenant_id, lead_id, rep_no, received_at + interval '1 s', batch_no, seq, 1, group_no, received_at + interval '1 h',
           case when part < 5 then 'won' else 'lost' end from placed where part < 20),
repeats as (
    insert into merged (tenant_id, lead_id, into_lead_id, merged_at)
    select :tenant_id, lead_id, lead_id - 1, received_at from placed where part = 20)
insert into parked (tenant_id, lead_id, reason, detail, parked_at)
select :tenant_id, lead_id, (array['no_matching_rule', 'lead_invalid'])[part - 20], '', received_at + interval '1 d' from placed where part in (21, 22);

-- name: fill_loads(tenant_id, day)!
-- The loads of reps, as their assignments have them; none of them is of the day.
insert into rep_load (tenant_id, rep_no, open, day, today)
select :tenant_id::int, rep_no, count(*), :day::date, 0 from assignment where tenant_id = :tenant_id group by rep_no;

-- name: fill_changes(tenant_id, changes)!
-- What people changed in the last 30 days.
insert into change (tenant_id, at, actor, action, subject, before, after, why)
select :tenant_id::int, now() - interval '30 days' * n / :changes::int, 'cli:ops@host' || n % 7, (array['park', 'unpark', 'pause', 'resume'])[1 + n % 4],
       'lead ' || n, 'waiting', 'parked', 'reason ' || n % 13
  from generate_series(1, :changes::int) n;

-- name: make_older(tenant_id, batch_no)!
-- Roster and rules were made two months ago, and so many batches have been.
with roster as (update roster_version set at = at - interval '60 days' where tenant_id = :tenant_id),
rules as (update ruleset set applied_at = applied_at - interval '60 days' where tenant_id = :tenant_id)
update lane set batch_no = :batch_no where tenant_id = :tenant_id;

-- name: for_pages(tenant_id)
-- Leads for pages about one: the newest that is assigned and that waits, and the oldest that is assigned and closed; and a rep's id.
select (select max(lead_id) from assignment where tenant_id = :tenant_id) as assigned,
       (select max(lead_id) from lead_pool where tenant_id = :tenant_id and wake_key <> 0) as waiting,
       (select min(lead_id) from assignment where tenant_id = :tenant_id) as old,
       (select min(lead_id) from closed where tenant_id = :tenant_id) as closed,
       (select phone from lead where tenant_id = :tenant_id and phone is not null order by lead_id desc limit 1) as phone,
       (select min(rep_id) from rep where tenant_id = :tenant_id) as rep;

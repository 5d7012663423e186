-- name: lock_tenant(tenant_id)
-- The right to change the tenant's roster: whoever holds this row's lock, until the transaction ends.
select roster, time_zone from tenant where tenant_id = :tenant_id for no key update;

-- name: last_rep_no(tenant_id)
-- The highest rep number ever given.
select coalesce(max(rep_no), 0) from rep where tenant_id = :tenant_id;

-- name: current_reps(tenant_id)
-- Every rep as the newest roster version has it, in the order of the rep numbers.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = :tenant_id and w.to_version is null
 order by r.rep_no;

-- name: reps_page(tenant_id, after, limit)
-- The same of some reps: those with a number above `after`, so many.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = :tenant_id and w.to_version is null and w.rep_no > :after
 order by w.rep_no
 limit :limit;

-- name: current_rep(tenant_id, rep_id)
-- One rep as the newest roster version has it.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep r join rep_row w on w.tenant_id = r.tenant_id and w.rep_no = r.rep_no and w.to_version is null
 where r.tenant_id = :tenant_id and r.rep_id = :rep_id;

-- name: reps_as_of(tenant_id, version)
-- What routing needs of every rep as of a version: one look at the key per rep, however many versions there are.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day
  from rep r
 cross join lateral (
       select * from rep_row x
        where x.tenant_id = :tenant_id and x.rep_no = r.rep_no and x.from_version <= :version
        order by x.from_version desc limit 1) w
 where r.tenant_id = :tenant_id and (w.to_version is null or w.to_version > :version)
 order by r.rep_no;

-- name: records_as_of(tenant_id, version)
-- Every rep with all fields as of a version: one look at the key per rep, as `reps_as_of`.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep r
 cross join lateral (
       select * from rep_row x
        where x.tenant_id = :tenant_id and x.rep_no = r.rep_no and x.from_version <= :version
        order by x.from_version desc limit 1) w
 where r.tenant_id = :tenant_id and (w.to_version is null or w.to_version > :version)
 order by r.rep_no;

-- name: reps_changed(tenant_id, since, version)
-- The same for the reps alone that changed after the version `since`.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = :tenant_id and w.from_version > :since and w.from_version <= :version
   and (w.to_version is null or w.to_version > :version)
 order by r.rep_no;

-- name: add_version(tenant_id, version, author, note)!
-- Records who makes a roster version, and what for.
insert into roster_version (tenant_id, version, author, note) values (:tenant_id, :version, :author, :note);

-- name: add_reps(tenant_id, rep_nos, rep_ids)!
-- Gives new reps their numbers.
insert into rep (tenant_id, rep_no, rep_id)
select :tenant_id::int, n.rep_no, n.rep_id from unnest(:rep_nos::int[], :rep_ids::text[]) as n (rep_no, rep_id);

-- name: end_rows(tenant_id, version, rep_nos)!
-- Ends the current rows of reps: from this version on others hold.
update rep_row set to_version = :version
 where tenant_id = :tenant_id and rep_no = any(:rep_nos::int[]) and to_version is null;

-- name: add_rows(tenant_id, version, rows)!
-- New current rows, from an array of objects with the columns of rep_row.
insert into rep_row (tenant_id, rep_no, from_version, name, active, available, availability_held_until,
                     time_zone, working_hours, holidays, leave, groups, regions, industries, weight_milli, max_open, max_per_day, manager_id, team, email, mobile,
                     wecom_user_id, dingtalk_user_id, feishu_user_id)
select :tenant_id::int, n.rep_no, :version::int, n.name, n.active, n.available, n.availability_held_until,
       n.time_zone, n.working_hours, n.holidays, n.leave, n.groups, n.regions, n.industries, n.weight_milli, n.max_open, n.max_per_day, n.manager_id, n.team, n.email, n.mobile,
       n.wecom_user_id, n.dingtalk_user_id, n.feishu_user_id
  from jsonb_populate_recordset(null::rep_row, :rows::jsonb) as n;

-- name: put_in_force(tenant_id, version)!
-- Makes a roster version the one in force; the drain takes it with its next batch.
update tenant set roster = :version where tenant_id = :tenant_id;

-- name: version_exists(tenant_id, version)
-- Whether a roster version was ever made.
select exists (select from roster_version where tenant_id = :tenant_id and version = :version);

-- name: numbers(tenant_id, rep_ids)
-- The numbers of the reps of these ids who are in the roster now.
select r.rep_id, r.rep_no from rep r
 where r.tenant_id = :tenant_id and r.rep_id = any(:rep_ids::text[])
   and exists (select from rep_row w where w.tenant_id = :tenant_id and w.rep_no = r.rep_no and w.to_version is null);

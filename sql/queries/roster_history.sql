-- name: history(tenant_id, before, limit)
-- The versions of a tenant's roster below one (null = all), the last one first, with how many reps each added and changed.
select v.version, v.at, v.author, v.note,
       (select count(*)::int from rep_row w
         where w.tenant_id = v.tenant_id and w.from_version = v.version
           and not exists (select from rep_row b where b.tenant_id = w.tenant_id and b.rep_no = w.rep_no
                              and b.from_version < w.from_version)) as added,
       (select count(*)::int from rep_row b
         where b.tenant_id = v.tenant_id and b.to_version = v.version) as changed
  from roster_version v
 where v.tenant_id = :tenant_id and (:before::int is null or v.version < :before)
 order by v.version desc
 limit :limit;

-- name: version(tenant_id, version)
-- One version of a tenant's roster, and the newest one.
select v.version, v.at, v.author, v.note, t.roster
  from tenant t left join roster_version v on v.tenant_id = t.tenant_id and v.version = :version
 where t.tenant_id = :tenant_id;

-- name: rows_of_version(tenant_id, version)
-- What a version wrote of reps, by number.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = :tenant_id and w.from_version = :version
 order by r.rep_no;

-- name: rows_before(tenant_id, version)
-- What these reps were before a version wrote them anew.
select r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep_row w join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
 where w.tenant_id = :tenant_id and w.to_version = :version
 order by r.rep_no;

-- name: rows_of_rep(tenant_id, rep_no, limit)
-- The last rows of one rep, the newest first, each with the version that wrote it.
select v.version, v.at, v.author, v.note,
       r.rep_no, r.rep_id, w.name, w.active, w.available, w.availability_held_until, w.time_zone, w.working_hours, w.holidays, w.leave, w.groups, w.regions,
       w.industries, w.weight_milli, w.max_open, w.max_per_day, w.manager_id, w.team, w.email, w.mobile,
       w.wecom_user_id, w.dingtalk_user_id, w.feishu_user_id
  from rep_row w
  join rep r on r.tenant_id = w.tenant_id and r.rep_no = w.rep_no
  join roster_version v on v.tenant_id = w.tenant_id and v.version = w.from_version
 where w.tenant_id = :tenant_id and w.rep_no = :rep_no
 order by w.from_version desc
 limit :limit;

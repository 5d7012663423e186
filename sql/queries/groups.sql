-- name: names(tenant_id)
-- All groups that ever were, with their numbers.
select group_no, name from grp where tenant_id = :tenant_id;

-- name: add(tenant_id, group_nos, names)!
-- Gives new groups their numbers.
insert into grp (tenant_id, group_no, name)
select :tenant_id::int, n.group_no, n.name from unnest(:group_nos::int[], :names::text[]) as n (group_no, name);

-- name: with_members(tenant_ids)
-- The names of groups that have an active member in the roster in force.
select distinct r.tenant_id, g.name
  from rep_row r cross join unnest(r.groups) as n (group_no)
  join grp g on g.tenant_id = r.tenant_id and g.group_no = n.group_no
 where r.tenant_id = any(:tenant_ids::int[]) and r.to_version is null and r.active;

-- name: reps(now, limit)
-- Of the first groups of all tenants that have members who could get leads: how many, and how many are available without a doubt.
select t.name as tenant, g.name as grp, n.members, n.available
  from (select r.tenant_id, m.group_no, count(*) as members,
               count(*) filter (where r.available and not coalesce(r.availability_held_until <= :now, false)) as available
          from rep_row r cross join unnest(r.groups) as m (group_no)
         where r.to_version is null and r.active and r.weight_milli > 0
         group by r.tenant_id, m.group_no
         order by r.tenant_id, m.group_no
         limit :limit) n
  join tenant t on t.tenant_id = n.tenant_id
  join grp g on g.tenant_id = n.tenant_id and g.group_no = n.group_no;

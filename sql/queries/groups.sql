-- name: names(tenant_id)
-- All groups that ever were, with their numbers.
select group_no, name from grp where tenant_id = :tenant_id;

-- name: add(tenant_id, group_nos, names)!
-- Gives new groups their numbers.
insert into grp (tenant_id, group_no, name)
select :tenant_id::int, n.group_no, n.name from unnest(:group_nos::int[], :names::text[]) as n (group_no, name);

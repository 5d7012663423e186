-- name: turn()
-- One instance at a time compares and records, until its transaction ends.
select pg_advisory_xact_lock(4711005);

-- name: last_of_kind(action, kind)
-- How each setting of a kind was when it was last recorded.
select distinct on (subject) subject, after
  from change
 where tenant_id = 0 and action = :action and starts_with(subject, :kind || ': ')
 order by subject, id desc;

-- name: last_recorded(action, subjects)
-- How each of these was when it was last recorded.
select distinct on (subject) subject, after
  from change
 where tenant_id = 0 and action = :action and subject = any(:subjects::text[])
 order by subject, id desc;

-- name: sizes_changed(action, since)
-- What was done lately to how many connections there may be: of the server, and of kinds of instances. The youngest first.
select at, actor, subject, before, after
  from change
 where tenant_id = 0 and action = :action and at > :since
   and (subject = 'server: max_connections' or subject like '%: connections.maximum')
 order by id desc;

-- name: forget_own()!
-- Every setting as this session got it when it began, until the transaction is rolled back: also what a driver or a pooler has set.
reset all;

-- name: in_force(texts)
-- What of the server's configuration is not as it comes, and what is set for roles and databases: numbers, switches and words of a
-- choice, and of what is free text only these. Any other text may hold a secret, and some may not be seen by every role.
-- To be asked after forget_own: else the source of a setting may be the session.
with all_of_it as (
    -- Without what old and new sessions see differently.
    select name, name as setting, reset_val as value from pg_settings
     where source in ('configuration file', 'command line', 'environment variable') and context not in ('backend', 'superuser-backend')
    union all
    select concat(case when s.setrole = 0 then 'every role' else format('role %s', coalesce(r.rolname, s.setrole::text)) end,
                  case when s.setdatabase <> 0 then ' in this database' end, ': ', split_part(one, '=', 1)),
           split_part(one, '=', 1), substr(one, strpos(one, '=') + 1)
      from pg_db_role_setting s
      left join pg_roles r on r.oid = s.setrole
     cross join unnest(s.setconfig) one
     where s.setdatabase = 0 or s.setdatabase = (select oid from pg_database where datname = current_database()))
select a.name, coalesce(a.value, '') as value
  from all_of_it a join pg_settings p on lower(p.name) = lower(a.setting)
 where p.vartype <> 'string' or lower(a.setting) = any(:texts::text[])
 order by a.name;

-- name: seen_here()
-- Settings that there are in this session, in small letters: `own` = what the server has is hidden by what its role, its database or its client has set.
-- Those of a library are there once it is loaded. To be asked after forget_own.
select lower(name) as name, source in ('client', 'user', 'database', 'database user', 'global') as own from pg_settings;

-- name: of_sessions(names)
-- These settings as new sessions like this one get them. To be asked after forget_own.
select name, reset_val, coalesce(unit, '') as unit, source in ('user', 'database user') as of_role, current_user as role
  from pg_settings where name = any(:names::text[]) order by name;

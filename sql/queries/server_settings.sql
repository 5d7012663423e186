-- name: in_force(texts)
-- What of the server's configuration is not as it comes, and what is set for roles and databases: numbers, switches and words of a
-- choice, and of what is free text only these. Any other text may hold a secret, and some may not be seen by every role.
with all_of_it as (
    -- Without what old and new sessions, or those of other roles, see differently.
    select name, name as setting, reset_val as value from pg_settings s
     where (source in ('configuration file', 'command line', 'environment variable')
            or name in ('lock_timeout', 'idle_in_transaction_session_timeout') and reset_val <> boot_val)
       and context not in ('backend', 'superuser-backend')
       and not exists (select from pg_db_role_setting r cross join unnest(r.setconfig) one where split_part(one, '=', 1) = s.name)
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

-- name: of_sessions(names)
-- These settings as new sessions like this one get them, whatever this one has set for itself.
select name, reset_val, coalesce(unit, '') as unit, source in ('user', 'database user') as of_role, current_user as role
  from pg_settings where name = any(:names::text[]) order by name;

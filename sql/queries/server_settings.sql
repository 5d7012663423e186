-- name: in_force()
-- What of the server's configuration is not as it comes, and what is set for roles and databases. Of what may hold a secret only
-- whether it changed is told.
with all_of_it as (
    select name, reset_val as value from pg_settings
     where source in ('configuration file', 'command line', 'environment variable')
       and name not in ('config_file', 'hba_file', 'ident_file', 'data_directory', 'external_pid_file')
    union all
    select concat(case when s.setrole = 0 then 'every role' else format('role %s', coalesce(r.rolname, s.setrole::text)) end,
                  case when s.setdatabase <> 0 then ' in this database' end, ': ', split_part(one, '=', 1)),
           substr(one, strpos(one, '=') + 1)
      from pg_db_role_setting s
      left join pg_roles r on r.oid = s.setrole
     cross join unnest(s.setconfig) one
     where s.setdatabase = 0 or s.setdatabase = (select oid from pg_database where datname = current_database()))
select name, case when name ~ 'password|passphrase|conninfo|secret|command|key' then 'not shown, ' || left(md5(coalesce(value, '')), 8)
                  else coalesce(value, '') end as value
  from all_of_it order by name;

-- name: of_sessions(names)
-- These settings as new sessions like this one get them, whatever this one has set for itself.
select name, reset_val from pg_settings where name = any(:names::text[]) order by name;

-- name: changes(tenant_ids, since, until, limit)
-- What was changed, by whom, the latest first: commands and settings, rules, rosters, customers, tenants, processes, the schema.
-- tenant_id 0 = the service as a whole.
with roster as (
    select v.tenant_id, v.at, v.author, v.version, v.note,
           (select count(*) from rep_row r where r.tenant_id = v.tenant_id and r.from_version = v.version) as written,
           (select count(*) from rep_row r where r.tenant_id = v.tenant_id and r.from_version = v.version
               and exists (select from rep_row o where o.tenant_id = r.tenant_id and o.rep_no = r.rep_no and o.to_version = v.version))
             as changed,
           (select count(*) from rep_row r where r.tenant_id = v.tenant_id and r.from_version = v.version and not r.active) as inactive
      from roster_version v
     where v.tenant_id = any(:tenant_ids::int[]) and v.at between :since and :until),
found as (
    select tenant_id, at, actor, action, subject, before, after, why from change
     where tenant_id = any(:tenant_ids::int[]) and at between :since and :until
    union all
    select tenant_id, applied_at, author, 'rules apply', 'rules', case when version > 1 then format('version %s', version - 1) else '' end,
           format('version %s', version), note from ruleset
     where tenant_id = any(:tenant_ids::int[]) and applied_at between :since and :until
    union all
    select tenant_id, at, author, 'roster', 'reps', case when version > 1 then format('version %s', version - 1) else '' end,
           format('version %s: %s new, %s changed, %s of these not active', version, written - changed, changed, inactive), note from roster
    union all
    select tenant_id, applied_at, author, 'customers rules', 'match rules',
           case when version > 1 then format('version %s', version - 1) else '' end, format('version %s', version), note
      from customer_rules where tenant_id = any(:tenant_ids::int[]) and applied_at between :since and :until
    union all
    select tenant_id, merged_at, actor, 'customers merge', format('customer %s', customer_id), '', format('part of customer %s', into_customer_id),
           note from customer_merge where tenant_id = any(:tenant_ids::int[]) and merged_at between :since and :until
    union all
    select tenant_id, parted_at, parted_by, 'customers unmerge', format('customer %s', customer_id),
           format('part of customer %s', into_customer_id), '', parted_note
      from customer_merge where tenant_id = any(:tenant_ids::int[]) and parted_at between :since and :until
    union all
    select tenant_id, max(changed_at), author, 'synonyms', field, '', format('%s words', count(*)), ''
      from synonym where tenant_id = any(:tenant_ids::int[]) and changed_at between :since and :until
     group by tenant_id, author, field, date_trunc('minute', changed_at)
    union all
    select tenant_id, created_at, '', 'tenants add', name, '', format('time zone %s', time_zone), ''
      from tenant where tenant_id = any(:tenant_ids::int[]) and created_at between :since and :until
       and tenant_id <> all (array(select tenant_id from change where tenant_id = any(:tenant_ids::int[]) and action = 'tenants add'))
    union all
    select tenant_id, started_at, instance, 'start', 'instance', '', version, ''
      from process where tenant_id = any(:tenant_ids::int[]) and started_at between :since and :until
    union all
    select tenant_id, ended_at, instance, 'stop', 'instance', version, '', ''
      from process where tenant_id = any(:tenant_ids::int[]) and ended_at between :since and :until
    union all
    select tenant_id, died_at, instance, 'died', 'instance', version, '', format('last sign of life %s UTC', to_char(beat_at at time zone 'UTC', 'HH24:MI:SS'))
      from process where tenant_id = any(:tenant_ids::int[]) and died_at between :since and :until
    union all
    select 0, applied_at, '', 'migrate', 'schema', '', migration_id, ''
      from _lead_router_migration where 0 = any(:tenant_ids::int[]) and applied_at between :since and :until)
select tenant_id, at, actor, action, subject, before, after, why from found
 order by at desc, tenant_id, action, subject, after, before limit :limit;

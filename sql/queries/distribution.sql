-- Which tables are spread over the servers of Citus, and what it would refuse of them.

-- name: extension()
-- The version of the extension citus in this database; no row where it is not there.
select extversion from pg_extension where extname = 'citus';

-- name: tables()
-- Our tables with a tenant_id, in the order in which they were created, without partitions; columns whose numbers come from an identity that is no bigint.
select c.relname::text as name,
       array(select a.attname::text from pg_attribute a
              where a.attrelid = c.oid and a.attidentity <> '' and a.atttypid <> 'bigint'::regtype order by a.attnum) as narrow_identities
  from pg_class c
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and c.relkind in ('r', 'p') and not c.relispartition
   and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped)
 order by c.oid;

-- name: spread()
-- The tables of our schema that Citus knows: `h` = distributed, `n` = a copy on every server. Only where the extension is there.
select c.relname::text as name, d.partmethod::text as kind
  from pg_dist_partition d join pg_class c on c.oid = d.logicalrelid
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and not c.relispartition;

-- name: settings()
-- The name of the database, and the settings that all of its sessions have, as name=value.
select current_database()::text as name,
       coalesce((select s.setconfig from pg_db_role_setting s
                  where s.setrole = 0 and s.setdatabase = (select oid from pg_database where datname = current_database())), '{}') as settings;

-- name: placed(tenant_ids)
-- On which server the rows of each of these tenants are, by the coordinator's catalogue. Only where tables are distributed.
select t.tenant_id, concat(n.nodename, ':', n.nodeport) as server
  from unnest(:tenant_ids::int[]) as t(tenant_id)
  join pg_dist_placement p on p.shardid = get_shard_id_for_distribution_column('lane', t.tenant_id)
  join pg_dist_node n on n.groupid = p.groupid
 where p.shardstate = 1 and n.noderole = 'primary';

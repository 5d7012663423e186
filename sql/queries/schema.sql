-- name: tables()
-- Our tables in the order in which they were created; partitions stand under their parent.
select c.oid::bigint as table_id,
       c.relname as name,
       obj_description(c.oid, 'pg_class') as comment,
       pg_get_partkeydef(c.oid) as partition_key,
       c.reloptions as options,
       array(select format('%s %s', p.relname, pg_get_expr(p.relpartbound, p.oid))
               from pg_inherits i join pg_class p on p.oid = i.inhrelid
              where i.inhparent = c.oid order by p.relname) as partitions
  from pg_class c
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and c.relkind in ('r', 'p') and not c.relispartition
   and not starts_with(c.relname, '_')
 order by c.oid;

-- name: columns()
-- The columns of all our tables.
select a.attrelid::bigint as table_id,
       a.attname as name,
       format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as not_null,
       case when a.attidentity <> '' then 'identity' else coalesce(pg_get_expr(d.adbin, d.adrelid), '') end as filled_with,
       col_description(a.attrelid, a.attnum) as comment
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema()) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
 order by a.attrelid, a.attnum;

-- name: constraints()
-- Primary keys, unique keys, checks and foreign keys (not-null shows at the columns).
select conrelid::bigint as table_id, conname as name, pg_get_constraintdef(oid) as definition
  from pg_constraint
 where connamespace = (select oid from pg_namespace where nspname = current_schema()) and contype in ('p', 'u', 'c', 'f', 'x') and conparentid = 0
 order by conrelid, array_position(array['p', 'u', 'c', 'f', 'x'], contype::text), conname;

-- name: indexes()
-- The indexes that no constraint brings along.
select i.indrelid::bigint as table_id, c.relname as name, pg_get_indexdef(i.indexrelid) as definition
  from pg_index i
  join pg_class c on c.oid = i.indexrelid
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema())
   and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
 order by i.indrelid, c.relname;

-- name: sequences()
-- The sequences that no column owns.
select c.relname as name, format_type(s.seqtypid, null) as type
  from pg_class c
  join pg_sequence s on s.seqrelid = c.oid
 where c.relnamespace = (select oid from pg_namespace where nspname = current_schema())
   and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i'))
 order by c.relname;

-- Ended assignments in partitions by time, in place of the default one; alone in its transaction: endings and batches take this table and others in
-- orders of their own, so who holds two of them here could deadlock with them.
-- depends: 0022_cleanup_indexes

-- migrate: apply

-- A default partition forbids detach concurrently. One from anything to anything is as good a catch-all; that no row breaks its
-- bounds follows from the column being not null, so nothing is scanned and others wait for a moment only.
do $$
begin
    alter table assignment_history detach partition assignment_history_default;
    if to_regclass('assignment_history_rest') is null then
        alter table assignment_history_default rename to assignment_history_rest;
        alter table assignment_history attach partition assignment_history_rest for values from (minvalue) to (maxvalue);
    else
        -- It was taken back and is applied again.
        insert into assignment_history select * from assignment_history_default;
        drop table assignment_history_default;
    end if;
end $$;

-- migrate: rollback

create table assignment_history_default partition of assignment_history default;
alter table assignment_history_default alter column tenant_id set statistics 0;

-- Of a tenant at most one job of a kind runs at a time, whichever instances run jobs.
-- depends: 0036_jobs

-- migrate: apply

-- There are at most a hundred short rows for each tenant: no need to build the index beside them. Jobs of an earlier release that began
-- twice just now end the migration with an error; it can be run again.
update job j set ended_at = alive_at, state = 'failed', error = 'another job of this kind was begun: this one is not followed any more'
 where j.ended_at is null
   and exists (select from job o where o.tenant_id = j.tenant_id and o.kind = j.kind and o.ended_at is null and (o.alive_at, o.job_id) > (j.alive_at, j.job_id));
create unique index job_running on job (tenant_id, kind) where ended_at is null;

-- migrate: rollback

drop index job_running;

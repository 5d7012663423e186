-- Jobs of the API and the console, as all instances know them.

-- name: end_lost(tenant_id, kind, silent_s, error, error_parts)!
-- Ends a job of this kind whose instance has given no sign for so long: it is not in the way of another one.
update job set ended_at = alive_at, state = 'failed', error = :error, error_parts = :error_parts::text::jsonb
 where tenant_id = :tenant_id and kind = :kind and ended_at is null and alive_at < statement_timestamp() - make_interval(secs => :silent_s::float8);

-- name: begin(tenant_id, job_id, kind, started_by, started_ago_s)
-- Notes that a job began so long ago, and when that was by this clock; nothing where it is noted already, or while another one of its kind runs.
insert into job (tenant_id, job_id, kind, started_by, started_at)
values (:tenant_id, :job_id, :kind, :started_by, statement_timestamp() - make_interval(secs => :started_ago_s::float8))
on conflict do nothing
returning started_at;

-- name: running(tenant_id, kind)
-- The job of a kind that runs.
select job_id, started_at from job where tenant_id = :tenant_id and kind = :kind and ended_at is null;

-- name: add_ended(tenant_id, job_id, kind, started_by, started_ago_s, ended_ago_s, state)!
-- Notes a job that has ended before it could be noted.
insert into job (tenant_id, job_id, kind, started_by, started_at, ended_at, state)
values (:tenant_id, :job_id, :kind, :started_by, statement_timestamp() - make_interval(secs => :started_ago_s::float8),
        statement_timestamp() - make_interval(secs => :ended_ago_s::float8), :state)
on conflict do nothing;

-- name: is_ended(tenant_id, job_id)
-- Whether a job is noted as ended; nothing for one that is not there.
select ended_at is not null from job where tenant_id = :tenant_id and job_id = :job_id;

-- name: remove_surplus(tenant_id, jobs, days)!
-- Removes jobs of a tenant that were noted too long ago, or are too many; those that were noted last stay, so one that runs does, however long.
delete from job j using (
    select job_id, alive_at, row_number() over (order by alive_at desc, job_id desc) as place from job where tenant_id = :tenant_id) r
 where j.tenant_id = :tenant_id and j.job_id = r.job_id
   and (r.place > :jobs::bigint or r.alive_at < statement_timestamp() - make_interval(secs => 86400 * :days::float8));

-- name: drop_files(tenant_id, files, bytes)!
-- Drops files of a tenant's jobs that are too many, or too large together; those of the jobs that ended last stay.
update job set file = null, file_bytes = null, file_name = null
 where tenant_id = :tenant_id and job_id = any(array(
       select f.job_id
         from (select job_id, row_number() over w as place, sum(file_bytes) over w as bytes from job
                where tenant_id = :tenant_id and file_bytes is not null window w as (order by alive_at desc, job_id desc)) f
        where f.place > :files::bigint or f.bytes > :bytes::bigint));

-- name: note(tenant_id, job_id, done, total, step)
-- Notes how far a job that runs is, and that its instance is there; whether somebody wants it to end.
update job set alive_at = statement_timestamp(), done = :done, total = :total, step = :step
 where tenant_id = :tenant_id and job_id = :job_id and ended_at is null
returning cancel_wanted;

-- name: end(tenant_id, job_id, ended_ago_s, state, done, total, step, result, result_left, error, error_parts, import_no, file_name, file_encoding, file)
-- Notes how a job ended, and what came of it, and when that was by this clock; nothing for one that is not there any more.
update job set alive_at = statement_timestamp(), ended_at = statement_timestamp() - make_interval(secs => :ended_ago_s::float8), state = :state, done = :done, total = :total, step = :step,
               result = :result::json, result_left = :result_left, error = :error, error_parts = :error_parts::text::jsonb, import_no = :import_no, file_name = :file_name,
               file_encoding = :file_encoding, file = :file::bytea, file_bytes = octet_length(:file::bytea)
 where tenant_id = :tenant_id and job_id = :job_id
returning started_at, ended_at;

-- name: want_cancelled(tenant_id, job_id)!
-- Asks the instance that runs a job to end it.
update job set cancel_wanted = true where tenant_id = :tenant_id and job_id = :job_id and ended_at is null;

-- name: find(tenant_id, job_id, import_no, limit, result_bytes)
-- The last jobs of a tenant, the youngest first; or one of them; or the one that made an import. silent_s = how long its instance has given no sign.
-- Results as far as so many bytes, as they are stored, go.
select job_id, kind, started_by, started_at, alive_at, ended_at, state, done, total, step,
       case when sum(pg_column_size(result)) over (order by started_at desc, job_id desc) <= :result_bytes::bigint then result::text end as result,
       result_left, error, error_parts,
       case when file_bytes is not null then file_name end as file_name,
       extract(epoch from clock_timestamp() - alive_at)::float8 as silent_s
  from job
 where tenant_id = :tenant_id and (:job_id::text is null or job_id = :job_id) and (:import_no::bigint is null or import_no = :import_no)
 order by started_at desc, job_id desc limit :limit;

-- name: file(tenant_id, job_id)
-- The file that a job made, as long as it is kept.
select file_name, file_encoding, file from job where tenant_id = :tenant_id and job_id = :job_id and file is not null;

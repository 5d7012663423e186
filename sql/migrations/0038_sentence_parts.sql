-- How stored sentences are made, so that a page can say them in another language.
-- depends: 0037_one_job_of_a_kind

-- migrate: apply

alter table stall add column parts jsonb;
comment on column stall.parts is 'How the sentence is made; null = it is not known. It counts only where it makes the sentence: an earlier release writes the sentence alone.';
alter table roster_sync add column problem_parts jsonb, add column warning_parts jsonb;
comment on column roster_sync.problem_parts is 'As stall.parts, of the problem.';
comment on column roster_sync.warning_parts is 'As stall.parts, of each warning (null where it is not known).';
alter table job add column error_parts jsonb;
comment on column job.error_parts is 'As stall.parts, of the error.';

-- migrate: rollback

alter table job drop column error_parts;
alter table roster_sync drop column warning_parts, drop column problem_parts;
alter table stall drop column parts;

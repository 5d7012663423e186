-- Who ended an assignment, and what they said of it, stands with its end.
-- depends: 0029_corrected_facts

-- migrate: apply

alter table assignment_history add column ended_by text not null default '', add column note text not null default '';
comment on table assignment_history is 'Assignments that ended, and how; ended_by = the person who said so (empty = not recorded), note = what they said of it; partitioned by time.';

-- migrate: rollback

alter table assignment_history drop column note, drop column ended_by;
comment on table assignment_history is 'Assignments that ended, and how; partitioned by time.';

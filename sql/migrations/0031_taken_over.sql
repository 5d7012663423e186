-- Assignments that a CRM made before come as a kind of batch of their own. Alone in its transaction: giving by hand writes to the table and
-- to assignment_history.
-- depends: 0030_ended_by

-- migrate: apply

-- Not valid: all rows that are there kept the narrower one, and need not be read.
alter table flight drop constraint flight_kind_check;
alter table flight add constraint flight_kind_check check (kind in ('drain', 'hand', 'import')) not valid;
comment on table flight is 'The inputs of one batch, from which every decision in it can be run again. kind: drain = by the rules; hand = a person gave the leads; import = a CRM had given them before, at the times that their assignments have.';

-- migrate: rollback

update flight set kind = 'hand' where kind = 'import';
alter table flight drop constraint flight_kind_check;
alter table flight add constraint flight_kind_check check (kind in ('drain', 'hand')) not valid;
comment on table flight is 'The inputs of one batch, from which every decision in it can be run again.';

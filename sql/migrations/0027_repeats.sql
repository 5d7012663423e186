-- How repeats of a lead are told can be said by source; leads that were merged can wait again, and leads can be removed on purpose.
-- depends: 0026_explained_deaths

-- migrate: apply

alter table lead add column enquiry text;
comment on table lead is 'The facts that arrived: written once by intake, never updated by routing. Only customer_id changes, when people merge or part customers, created_at, when they correct what a source stamped wrong, and all facts of leads that nobody has worked on, when they correct them from a file (lead_correction). enquiry = what repeats of it are told by: null = all that says who asks for what; empty = it is merged with no other lead; else a hash of the fields that its mapping names.';

alter table event drop constraint event_type_check, add constraint event_type_check check (type in ('lead.assigned', 'lead.reassigned',
    'lead.returned', 'lead.ended', 'lead.parked', 'lead.unparked', 'lead.merged', 'lead.unmerged', 'lead.customer_changed', 'lead.removed'));

-- migrate: rollback

delete from event where type in ('lead.unmerged', 'lead.removed');
alter table event drop constraint event_type_check, add constraint event_type_check check (type in ('lead.assigned', 'lead.reassigned',
    'lead.returned', 'lead.ended', 'lead.parked', 'lead.unparked', 'lead.merged', 'lead.customer_changed'));
alter table lead drop column enquiry;
comment on table lead is 'The facts that arrived: written once by intake, never updated by routing. Only customer_id changes, when people merge or part customers, and created_at, when they correct what a source stamped wrong (lead_correction).';

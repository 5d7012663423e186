-- What people did to a lead is found by its index also when that was to set it free of the lead that it was merged into.
-- depends: 0033_rep_holidays

-- migrate: apply

drop index change_of_lead;
create index change_of_lead on change (tenant_id, subject, at) where action in ('park', 'unpark', 'leads unmerge');

-- migrate: rollback

drop index change_of_lead;
create index change_of_lead on change (tenant_id, subject, at) where action in ('park', 'unpark');

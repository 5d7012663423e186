-- What people did to one lead is told with the lead, however many changes there are.
-- depends: 0004_deaths

-- migrate: apply

create index change_of_lead on change (tenant_id, subject, at) where action in ('park', 'unpark');

-- migrate: rollback

drop index change_of_lead;

-- What cleanup looks for: leads closed long ago, and those merged into them.
-- depends: 0021_vacuum

-- migrate: apply without transaction

drop index concurrently if exists closed_at;
create index concurrently closed_at on closed (tenant_id, closed_at);
drop index concurrently if exists merged_into;
create index concurrently merged_into on merged (tenant_id, into_lead_id);

-- migrate: rollback

drop index merged_into;
drop index closed_at;

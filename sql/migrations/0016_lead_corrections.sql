-- Creation times that a source stamped wrong are corrected, and what they were is kept for replays of earlier batches.
-- depends: 0015_events

-- migrate: apply

create table lead_correction (
    tenant_id      int not null,
    lead_id        bigint not null,
    batch_no       bigint not null check (batch_no >= 0),
    corrected_at   timestamptz not null default clock_timestamp(),
    created_before timestamptz not null,
    created_after  timestamptz not null,
    change_id      bigint not null,
    primary key (tenant_id, lead_id, batch_no)
);
alter table lead_correction alter column tenant_id set statistics 0;
comment on table lead_correction is 'Creation times that a person corrected: up to the batch batch_no the lead was decided with created_before, after it with created_after. change_id = the change that tells who and why.';
comment on table lead is 'The facts that arrived: written once by intake, never updated by routing. Only customer_id changes, when people merge or part customers, and created_at, when they correct what a source stamped wrong (lead_correction).';

-- migrate: rollback

comment on table lead is 'The facts that arrived: written once by intake, never updated by routing. Only customer_id changes, when people merge or part customers.';
drop table lead_correction;

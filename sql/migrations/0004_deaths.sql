-- What a batch of a lane died of may be a lead in it: deaths are counted, and then leads are taken one by one.
-- depends: 0002_changes

-- migrate: apply

alter table lane
    add column deaths int not null default 0 check (deaths >= 0),
    add column alone int not null default 0 check (alone >= 0),
    add column suspect bigint;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: whoever holds this row''s lock. batch_no orders everything in a tenant. deaths = holders in a row that went away in the middle of a batch; alone = so many leads are still taken one by one because of that; suspect = the one of which the next death would be blamed.';

-- migrate: rollback

alter table lane drop column deaths, drop column alone, drop column suspect;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: whoever holds this row''s lock. batch_no orders everything in a tenant.';

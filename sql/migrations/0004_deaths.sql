-- What a batch of a lane died of may be a lead in it: deaths are counted, and then leads are named before they are taken.
-- depends: 0002_changes

-- migrate: apply

alter table lane
    add column deaths int not null default 0 check (deaths >= 0),
    add column died_at timestamptz,
    add column suspects bigint[],
    add column trying int not null default 0 check (trying >= 0),
    add column tries int not null default 0 check (tries >= 0),
    add column named_at timestamptz,
    add constraint died_some_time check (deaths = 0 or died_at is not null),
    add constraint suspects_is_null_or_filled check (suspects is null or cardinality(suspects) > 0);
comment on table lane is 'The right to change a tenant''s loads, credits and waits: whoever holds this row''s lock. batch_no orders everything in a tenant. deaths = holders that lately went away in the middle of a batch, the last at died_at; suspects = the leads of a batch that was named at named_at before it was taken, and did not come through; trying = so many of them are in somebody''s hands; tries = how often the first of them was taken alone.';

-- migrate: rollback

alter table lane drop column deaths, drop column died_at, drop column suspects, drop column trying, drop column tries, drop column named_at;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: whoever holds this row''s lock. batch_no orders everything in a tenant.';

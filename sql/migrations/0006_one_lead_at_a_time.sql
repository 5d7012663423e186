-- After two crashes of its holders a lane goes one lead at a time, each noted before it is taken.
-- depends: 0005_change_of_lead

-- migrate: apply

alter table lane drop constraint died_some_time, drop constraint suspects_is_null_or_filled;
alter table lane rename column deaths to crashes;
alter table lane rename column died_at to crashed_at;
alter table lane rename constraint lane_deaths_check to lane_crashes_check;
alter table lane drop column suspects, drop column trying, drop column tries, drop column named_at;
alter table lane
    add column careful int not null default 0 check (careful >= 0),
    add column noted_lead bigint,
    add column noted_crashes int not null default 0 check (noted_crashes >= 0),
    add constraint crashed_some_time check (crashes = 0 or crashed_at is not null),
    add constraint nothing_noted_never_crashed check (noted_crashes = 0 or noted_lead is not null);
update lane set crashes = 0, crashed_at = null where crashes > 0;
comment on table lane is 'The right to change a tenant''s loads, credits and waits: held by the transaction that has this row locked. batch_no orders everything in a tenant. crashes = holders that crashed in the middle of a batch, the last at crashed_at; careful = so many leads are still to be taken one at a time; noted_lead = the lead that is taken next; noted_crashes = how often a holder crashed while it was noted.';

-- migrate: rollback

alter table lane drop constraint crashed_some_time, drop constraint nothing_noted_never_crashed;
alter table lane drop column careful, drop column noted_lead, drop column noted_crashes;
alter table lane rename constraint lane_crashes_check to lane_deaths_check;
alter table lane rename column crashes to deaths;
alter table lane rename column crashed_at to died_at;
alter table lane
    add column suspects bigint[],
    add column trying int not null default 0 check (trying >= 0),
    add column tries int not null default 0 check (tries >= 0),
    add column named_at timestamptz,
    add constraint died_some_time check (deaths = 0 or died_at is not null),
    add constraint suspects_is_null_or_filled check (suspects is null or cardinality(suspects) > 0);
comment on table lane is 'The right to change a tenant''s loads, credits and waits: whoever holds this row''s lock. batch_no orders everything in a tenant. deaths = holders that lately went away in the middle of a batch, the last at died_at; suspects = the leads of a batch that was named at named_at before it was taken, and did not come through; trying = so many of them are in somebody''s hands; tries = how often the first of them was taken alone.';

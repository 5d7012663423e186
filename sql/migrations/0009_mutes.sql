-- Findings that somebody knows of and does not want to hear of for a while.
-- depends: 0008_clocks

-- migrate: apply

create table mute (
    tenant_id int not null,
    code      text not null,
    kind      text not null,
    subject   text not null,
    until     timestamptz not null,
    severity  text not null,
    held_back bigint not null check (held_back >= 0),
    findings  int not null check (findings > 0),
    actor     text not null,
    why       text not null check (why <> ''),
    at        timestamptz not null default clock_timestamp(),
    looked_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, code, kind, subject)
);
alter table mute alter column tenant_id set statistics 0;
comment on table mute is 'Findings of the doctor that are muted, one row each: its code and what it is about (kind and subject). tenant_id 0 = it is about no single tenant. severity, held_back (leads) and findings (how many there were of the code and subject) are those up to which the mute holds; it ends at until, when the finding clears and when it gets worse, and the row goes; looked_at = when an instance of the service last saw whether it has ended. Who muted and what ended it is in table change.';

-- migrate: rollback

drop table mute;

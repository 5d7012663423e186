-- The notifier: what was reported to which channel, the queue of messages, and how each channel fares.
-- depends: 0024_cleanup

-- migrate: apply

create table notify_look (
    tenant_id int primary key,
    look_no   bigint not null default 0,
    looked_at timestamptz not null default '-infinity'
);
alter table notify_look alter column tenant_id set statistics 0;
comment on table notify_look is 'One row (tenant_id 0): the last look of the notifier at all tenants, by whichever instance. Who writes what a look found checks look_no: another instance may have looked since.';
insert into notify_look (tenant_id) values (0);

create table notify_channel (
    tenant_id     int not null,
    channel       text not null check (channel <> ''),
    kind          text not null,
    seen_at       timestamptz not null default clock_timestamp(),
    holder        bigint,
    held_until    timestamptz,
    attempts      timestamptz[] not null default '{}',
    rests_until   timestamptz,
    succeeded_at  timestamptz,
    failures      int not null default 0,
    failing_since timestamptz,
    failed_at     timestamptz,
    last_error    text,
    given_up_at   timestamptz,
    primary key (tenant_id, channel)
);
alter table notify_channel alter column tenant_id set statistics 0;
comment on table notify_channel is 'How each channel of the notifier fares (tenant_id 0: channels belong to the service). seen_at = an instance has it configured; holder, held_until = the one that sends; attempts = those of the last minute, which rate limits count; rests_until = no attempt before, after a failure or since the other side asked for it; failures = in a row; given_up_at = a message was too old when it could have been sent. Addresses and secrets are in no table.';

create table notify_alert (
    tenant_id int not null,
    channel   text not null,
    scope     text not null,
    code      text not null,
    kind      text not null,
    subject   text not null,
    severity  text not null,
    item      jsonb not null,
    began_at  timestamptz not null,
    reported_at   timestamptz not null,
    gone_at   timestamptz,
    primary key (tenant_id, channel, scope, code, kind, subject)
);
alter table notify_alert alter column tenant_id set statistics 0;
comment on table notify_alert is 'Findings that was reported to a channel and that have not been reported as over (tenant_id 0). scope = the tenant that messages about it are of, empty = the service; severity = the worst that was reported; item = the finding as it was reported; gone_at = since when it was not found any more.';

create table notify_message (
    tenant_id  int not null,
    number     bigint generated always as identity,
    id         text not null check (id <> ''),
    channel    text not null,
    body       jsonb not null,
    made_at    timestamptz not null default clock_timestamp(),
    attempts   int not null default 0,
    primary key (tenant_id, number)
);
alter table notify_message alter column tenant_id set statistics 0;
create index notify_message_channel on notify_message (tenant_id, channel, number);
comment on table notify_message is 'Messages of the notifier that were not delivered yet (tenant_id 0), in the order in which they were made; a row goes when it is delivered, joined with others to a summary, or given up. id = what receivers recognise a message by that comes twice.';

-- migrate: rollback

drop table notify_message;
drop table notify_alert;
drop table notify_channel;
drop table notify_look;

-- A rep has public holidays of an own country: China and Germany in one tenant.
-- depends: 0032_synonyms_of_rulesets

-- migrate: apply

alter table rep_row add column holidays text not null default '';
comment on table rep_row is 'What the roster said of a rep from one roster version up to (not including) another; the current row has no to_version. Empty working_hours or holidays = those of the rep''s groups or the ruleset''s calendar; holidays is a country or subdivision (CN, DE-BY), or none. Null caps = the ruleset''s defaults. availability_held_until: what the source says of the availability is not understood; available is the last known one, which holds until then.';

-- migrate: rollback

alter table rep_row drop column holidays;
comment on table rep_row is 'What the roster said of a rep from one roster version up to (not including) another; the current row has no to_version. Empty working_hours = the ruleset''s calendar; null caps = the ruleset''s defaults. availability_held_until: what the source says of the availability is not understood; available is the last known one, which holds until then.';

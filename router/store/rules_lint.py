"""Linting rules beside what their tenant has: roster, groups, zone, and the leads of the last months."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from router.domain.calendar import business_day
from router.domain.calendars import in_calendars
from router.domain.coverage import UnnamedGroup, unnamed_groups
from router.domain.lint import ALL_READ, Finding, Level, Lint, Unread, lint_rules
from router.domain.lint_tenant import (
    lint_calendars,
    lint_dates,
    lint_groups,
    lint_hours_of_reps,
    lint_synonyms,
    lint_unnamed,
    lint_values,
    lint_words_of_reps,
    lint_zones,
)
from router.domain.roster import Roster
from router.domain.ruleset import Ruleset
from router.domain.worded import said_by
from router.rules.file import RulesFile, ZoneDiffers
from router.rules.rule_words import with_words, words_changed, words_of
from router.rules.spelling import Spellings
from router.store.apart import apart, apart_meanwhile, has_many
from router.store.roster import current_reps, load_roster
from router.store.rulesets import Lend, load_ruleset
from router.store.statements import Connection
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant
from router.store.values_seen import SeenRows, values_seen


@dataclass(frozen=True, slots=True)
class Beside:
    """What a tenant has, as it is compared with rules. `seen`: what leads said (None = they are left out)."""

    tenant: Tenant
    roster: Roster
    spellings: Spellings
    today: date
    seen: SeenRows | None

    @property
    def long(self) -> bool:
        """Whether going through it takes long, whatever the rules."""
        return self.seen is not None and self.seen.many


async def beside_tenant(conn: Connection, tenant: Tenant, rules: RulesFile, *, leads: bool = True) -> Beside:
    """Reads what `lint_beside` needs. With `leads` those of the last months, which takes its time where there are many;
    writes nothing.
    """
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        roster = await load_roster(conn, tenant.tenant_id, tenant.roster)
        spellings = await load_spellings(conn, tenant.tenant_id)
        seen = await values_seen(conn, tenant.tenant_id, rules.ruleset) if leads else None
    return Beside(tenant, roster, spellings, business_day(datetime.now(UTC), tenant.time_zone).date, seen)


async def lint_for_tenant(
    conn: Connection, tenant: Tenant, rules: RulesFile, unread: Unread = ALL_READ, *, leads: bool = True
) -> list[Finding]:
    """What only shows beside the tenant, of what was read, for who has a connection of its own."""
    beside = await beside_tenant(conn, tenant, rules, leads=leads)
    return await apart_meanwhile(conn, has_many(rules) or beside.long, lint_beside, rules, beside, unread)


async def lint_lent(
    lend: Lend, tenant: Tenant, rules: RulesFile, unread: Unread = ALL_READ, *, leads: bool = True
) -> list[Finding]:
    """The same, with a connection only while it reads."""
    async with lend() as conn:
        beside = await beside_tenant(conn, tenant, rules, leads=leads)
    return await apart(has_many(rules) or beside.long, lint_beside, rules, beside, unread)


def lint_beside(rules: RulesFile, beside: Beside, unread: Unread = ALL_READ) -> list[Finding]:
    """What only shows beside the tenant, of what was read. Pure; with thousands of rules it takes seconds."""
    found: list[Finding] = []
    tenant, roster = beside.tenant, beside.roster
    try:
        rules.for_tenant(0, tenant.time_zone)
    except ZoneDiffers as error:
        found.append(Finding(Level.ERROR, Lint.OTHER_ZONE, "business_time_zone", said_by(error)))
    ruleset = with_words(rules.ruleset, words_of(rules.ruleset, beside.spellings))
    found += lint_zones(tenant.time_zone, roster, ruleset)
    found += [*lint_groups(ruleset, in_calendars(roster, ruleset)), *lint_calendars(ruleset, roster)]
    found += lint_values(ruleset, beside.seen.values()) if beside.seen is not None else []
    found += lint_hours_of_reps(roster)
    found += lint_words_of_reps(ruleset, roster, beside.spellings.spelled)
    found += lint_synonyms(ruleset)
    found += _with_words_only(rules.ruleset, ruleset, unread)
    if not unread.within("rules"):
        # A rule that could not be read may name the group.
        found += lint_unnamed(rules.ruleset, roster)
    found += lint_dates(rules.ruleset, beside.today)
    if unread.within("defaults") or unread.within("calendar"):
        # Who never gets a lead hangs on them too.
        found = [one for one in found if one.lint is not Lint.REPS_WITHOUT_LEADS]
    return unread.keep(found)


def _with_words_only(said: Ruleset, ruleset: Ruleset, unread: Unread) -> list[Finding]:
    """What the rules show only with the synonyms' words, such as a rule that another one hides."""
    if ruleset is said or not ruleset.synonyms:
        return []
    alone = set(lint_rules(said, unread))
    return [one for one in lint_rules(ruleset, unread) if one not in alone]


async def synonyms_since_applied(conn: Connection, tenant: Tenant) -> list[tuple[str, str, str]]:
    """(field, value, word) for which the rules in force had another word than the synonyms have. Raises RulesError."""
    if not tenant.ruleset:
        return []
    rules = await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    return words_changed(rules, await load_spellings(conn, tenant.tenant_id))


async def groups_no_rule_names(conn: Connection, tenant: Tenant) -> list[UnnamedGroup]:
    """Of the rules and the roster in force, with the reps that no rule reaches. Raises RulesError."""
    if not tenant.ruleset:
        return []
    rules = await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)
    reps = await current_reps(conn, tenant.tenant_id)
    return unnamed_groups(rules, ((rep.rep_id, rep.values["groups"]) for rep in reps if rep.values["active"]))
